import { generateKeyPairSync, sign } from 'node:crypto'

/** A new key and a certificate that it has signed itself (X.509 version 1, RFC 5280), as PEM. */
export function createSelfSignedCertificate(commonName: string): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = sequence(Buffer.from('06082a8648ce3d040302', 'hex'))
  const name = sequence(der(0x31, sequence(Buffer.from('0603550403', 'hex'), der(0x0c, commonName))))
  const validity = sequence(der(0x17, '200101000000Z'), der(0x17, '491231235959Z'))
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const toSign = sequence(der(0x02, Buffer.from([1])), algorithm, name, validity, name, spki)
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', toSign, privateKey)]))
  const certificate = sequence(toSign, algorithm, signature)
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64')}\n-----END CERTIFICATE-----\n`,
  }
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

/** Tag, length and content (X.690), for contents below 64 KiB. */
function der(tag: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content as Buffer)
  const long = Buffer.from([0x82, bytes.length >> 8, bytes.length & 0xff])
  const length = bytes.length < 0x80 ? Buffer.from([bytes.length]) : long
  return Buffer.concat([Buffer.from([tag]), length, bytes])
}
