import { describe, expect, it } from 'vitest'
import {
  isBlockName,
  isCallerID,
  isFunctionName,
  isPackageName,
  isPackageVersion,
  isTaskID,
  isUploadID,
} from '../../src/domain/names.ts'

// What a router makes of %2f, %2e%2e, %23, %3f, %5c, %00 and %0d%0a inside a parameter, and the like.
const HOSTILE = ['', '.', '..', '../x', 'a/b', 'a/../b', 'a#b', 'a?b', 'a\\b', 'a\0', 'a\r\n', 'a\n', 'a b']
const ENCODED = ['%2e%2e', 'a%2fb', 'a%00', 'ａ', 'é', 'a;b', 'a:b', 'a&b', 'a=b', "a'b"]

const CASES = [
  {
    check: isPackageName,
    good: ['ocr', '@acme/ocr', '@Acme/o.c-r_1~x', 'a'.repeat(200), `@${'a'.repeat(100)}/${'b'.repeat(200)}`],
    bad: [
      '@acme',
      '@acme/',
      '@/ocr',
      '@acme/a/b',
      '@acme/..',
      '@acme/.x',
      '.x',
      'a..b',
      '@a/b@1',
      '-x',
    ].concat('a'.repeat(201), `@${'a'.repeat(101)}/b`),
  },
  {
    check: isPackageVersion,
    good: ['1.4.0', 'latest', '2.0.0-rc.1+build.5', 'a'.repeat(64)],
    bad: ['^1.0.0', '~1', '>=1', '1 || 2', '*', '1.*', '-1', '.1', 'a'.repeat(65)],
  },
  {
    check: isTaskID,
    good: ['019234a5-b678-7def-8123-456789abcdef', 'a', 'A_b-1', 'a'.repeat(100)],
    bad: ['-a', '_a', 'a.b', 'a~b', 'a'.repeat(101)],
  },
  { check: isUploadID, good: ['u_1-x', 'a'.repeat(200)], bad: ['-a', 'a.b', 'a'.repeat(201)] },
  {
    check: isFunctionName,
    good: ['summarise', 'pdf-2-text', '1', 'a'.repeat(64)],
    bad: ['-a', 'A', 'a_b', 'a.b', 'a*', 'a'.repeat(65)],
  },
  { check: isCallerID, good: ['web', 'A.b_c-1', 'a'.repeat(64)], bad: ['.a', '-a', 'a'.repeat(65)] },
]

describe.each(CASES)('$check.name', ({ check, good, bad }) => {
  it.each(good)('accepts %j', (text) => expect(check(text)).toBe(true))
  it.each([...bad, ...HOSTILE, ...ENCODED])('refuses %j', (text) => expect(check(text)).toBe(false))
})

describe('isBlockName', () => {
  it.each(['Exist', 'Résumé a PDF', '文字认识', 'a'.repeat(200), 'a%2fb', 'x?y#z', '👩‍🔬'])(
    'accepts %j',
    (text) => expect(isBlockName(text)).toBe(true),
  )
  it.each([
    '',
    ' ',
    ' a',
    'a ',
    'a/b',
    'a\\b',
    'a\0',
    'a\nb',
    'a\u007fb',
    'a\u0085b',
    'a\u2028b',
    '\ud800',
    'a'.repeat(201),
  ])('refuses %j', (text) => expect(isBlockName(text)).toBe(false))
})
