import { describe, expect, it } from 'vitest'
import {
  findFunctionPatternProblem,
  findPackagePatternProblem,
  isFunctionAllowed,
  isPackageAllowed,
} from '../../src/domain/patterns.ts'

describe('isPackageAllowed', () => {
  it.each([
    ['*', 'ocr', 'latest'],
    ['*', '@acme/ocr', '1.0.0'],
    ['@acme/*', '@acme/ocr', 'latest'],
    ['@acme/pdf-*', '@acme/pdf-text', '1.0.0'],
    ['pdf-*', 'pdf-text', '1.0.0'],
    ['@acme/ocr', '@acme/ocr', '1.0.0'],
    ['@acme/ocr', '@acme/ocr', 'latest'],
    ['@acme/ocr@*', '@acme/ocr', 'latest'],
    ['@acme/ocr@1.*', '@acme/ocr', '1.0'],
    ['@acme/ocr@1.*', '@acme/ocr', '1.99.3-rc.1'],
    ['@acme/ocr@1.4.*', '@acme/ocr', '1.4.0'],
    ['@acme/ocr@1.4.0', '@acme/ocr', '1.4.0'],
    ['@acme/ocr@latest', '@acme/ocr', 'latest'],
    ['@acme/*@2.*', '@acme/ocr', '2.1.0'],
    ['*@2.*', 'ocr', '2.1.0'],
  ])('%s allows %s %s', (pattern, name, version) => {
    expect(isPackageAllowed([pattern], name, version)).toBe(true)
  })

  it.each([
    ['@acme/*', '@acme/a/b', '1.0.0'],
    ['@acme/*', '@acme/..', '1.0.0'],
    ['@acme/*', '@acme/', '1.0.0'],
    ['@acme/*', '@acme', '1.0.0'],
    ['@acme/*', '@acme-evil/ocr', '1.0.0'],
    ['@acme/*', '@ACME/ocr', '1.0.0'],
    ['@acme/*', 'x@acme/ocr', '1.0.0'],
    ['@acme/ocr', '@acme/ocr2', '1.0.0'],
    ['@acme/ocr', '@acme/oc', '1.0.0'],
    ['pdf-*', '@acme/pdf-text', '1.0.0'],
    ['@acme/ocr@1.*', '@acme/ocr', '10.0'],
    ['@acme/ocr@1.*', '@acme/ocr', '10.0.0'],
    ['@acme/ocr@1.*', '@acme/ocr', 'latest'],
    ['@acme/ocr@1.*', '@acme/ocr', '1'],
    ['@acme/ocr@1.*', '@acme/ocr', '1.evil'],
    ['@acme/ocr@1.*', '@acme/other', '1.0.0'],
    ['@acme/ocr@1.4.0', '@acme/ocr', '1.4.00'],
    ['@acme/ocr@1.4.0', '@acme/ocr', 'latest'],
    ['*', '../../x', '1.0.0'],
    ['*', 'ocr', '../latest'],
    ['*', 'ocr', ''],
    ['*', '', '1.0.0'],
    // Malformed patterns match nothing, not even themselves.
    ['', '', ''],
    ['@*', '@acme/ocr', '1.0.0'],
    ['a*b', 'axb', '1.0.0'],
    ['**', 'ocr', '1.0.0'],
    ['ocr@1*', 'ocr', '10.0'],
    ['ocr@', 'ocr', '1.0.0'],
  ])('%s denies %s %s', (pattern, name, version) => {
    expect(isPackageAllowed([pattern], name, version)).toBe(false)
  })

  it('is closed without patterns and opened by any one of several', () => {
    expect(isPackageAllowed([], 'ocr', '1.0.0')).toBe(false)
    expect(isPackageAllowed(['@acme/*', 'ocr'], 'ocr', '1.0.0')).toBe(true)
  })

  it('takes no longer for hostile texts', () => {
    const start = performance.now()
    isPackageAllowed([`${'*a'.repeat(50_000)}*`], 'a'.repeat(100_000), '1.'.repeat(50_000))
    findPackagePatternProblem(`${'a*'.repeat(100_000)}@${'1.'.repeat(100_000)}`)
    findFunctionPatternProblem('*'.repeat(200_000))
    expect(performance.now() - start).toBeLessThan(1_000)
  })
})

describe('isFunctionAllowed', () => {
  it.each([
    ['*', 'summarise'],
    ['summarise', 'summarise'],
    ['pdf-*', 'pdf-text'],
    ['pdf*', 'pdf'],
  ])('%s allows %s', (pattern, name) => expect(isFunctionAllowed([pattern], name)).toBe(true))

  it.each([
    ['summarise', 'summarise2'],
    ['pdf-*', 'pdf'],
    ['pdf-*', 'xpdf-a'],
    ['*', '../x'],
    ['*', ''],
    ['', ''],
    ['*-text', 'pdf-text'],
  ])('%s denies %s', (pattern, name) => expect(isFunctionAllowed([pattern], name)).toBe(false))

  it('is closed without patterns', () => expect(isFunctionAllowed([], 'summarise')).toBe(false))
})

describe('findPackagePatternProblem', () => {
  it.each([
    '*',
    '@acme/*',
    '@acme/pdf-*',
    '@acme/ocr',
    'ocr',
    '@acme/ocr@1.*',
    'ocr@1.4.*',
    'ocr@latest',
    '*@1.*',
  ])('finds none in %s', (pattern) => expect(findPackagePatternProblem(pattern)).toBeUndefined())
  it.each(['', '@', '@*', '@acme', '@acme/', '@*/ocr', '*/ocr', 'a*b', '**', '@acme/..', '../*', 'ocr *'])(
    'finds a wrong name in %j',
    (pattern) => expect(findPackagePatternProblem(pattern)).toContain('package name'),
  )
  it.each(['ocr@', 'ocr@1*', 'ocr@^1.0.0', 'ocr@1.*.2', 'ocr@latest.*', 'ocr@.*', 'ocr@>1'])(
    'finds a wrong version in %s',
    (pattern) => expect(findPackagePatternProblem(pattern)).toContain('version'),
  )
})

describe('findFunctionPatternProblem', () => {
  it.each(['*', 'summarise', 'pdf-*', 'a*'])('finds none in %s', (pattern) =>
    expect(findFunctionPatternProblem(pattern)).toBeUndefined(),
  )
  it.each(['', '**', 'A*', '*-pdf', 'a*b', '@acme/*', 'a b'])('finds one in %j', (pattern) =>
    expect(findFunctionPatternProblem(pattern)).toBeDefined(),
  )
})
