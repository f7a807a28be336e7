import { expect, test } from 'bun:test'
import { parseUris } from './apt.ts'

const sum = 'a'.repeat(64)

test('parseUris reads name, version with epoch, size and sum', () => {
  const text = `'http://d/l/libcap2_2.75%2bb3_amd64.deb' libcap2_1%3a2.75+b3_amd64.deb 28988 SHA256:${sum}\n`
  expect(parseUris(text)).toEqual([
    {
      name: 'libcap2',
      version: '1:2.75+b3',
      file: 'libcap2_1%3a2.75+b3_amd64.deb',
      size: 28988,
      sha256: sum,
    },
  ])
})

test('parseUris takes no line that is not exactly like that', () => {
  expect(parseUris(`'http://d/x' ../evil_1_amd64.deb 1 SHA256:${sum}\n`)).toEqual([])
  expect(parseUris(`'http://d/x' x_1_amd64.deb 1 MD5Sum:abc\n`)).toEqual([])
  expect(parseUris('Reading package lists...\n')).toEqual([])
})
