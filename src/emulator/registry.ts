import { type Answer, errorAnswer, jsonAnswer } from './answers.ts'
import type { ApiRequest } from './api-request.ts'
import type { EmulatedPackage, PackageShelf } from './packages.ts'

/** Describes a package. The name is already decoded; the language that was asked for is ignored. */
export function createPackageInfo(packages: PackageShelf): (request: ApiRequest) => Answer {
  return ({ params }) => {
    const [name = '', version = ''] = params
    const pkg = packages.find(name, version)
    return pkg === undefined
      ? errorAnswer(404, `there is no package ${name}@${version}`)
      : jsonAnswer(toInfo(pkg))
  }
}

function toInfo(pkg: EmulatedPackage) {
  const { packageName, packageVersion, title = packageName, description = '' } = pkg
  return {
    packageName,
    packageVersion,
    title,
    description,
    blocks: pkg.blocks.map((block) => ({
      blockName: block.blockName,
      title: block.title ?? block.blockName,
      description: block.description ?? '',
      inputHandleDefs: block.inputHandleDefs,
      outputHandleDefs: block.outputHandleDefs,
    })),
  }
}
