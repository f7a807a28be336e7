import { expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { etcFiles, writeEtcFiles } from './etc-files.ts'

const wishes = { hostname: 'house', hosts: ['10.0.0.1\tdb'], dns: [] }

test('hosts and hostname name the container', () => {
  const { hosts, hostname } = etcFiles(wishes, '')
  expect(hostname).toBe('house\n')
  expect(hosts?.split('\n')).toContain('127.0.1.1\thouse')
  expect(hosts?.split('\n')).toContain('10.0.0.1\tdb')
  const known = etcFiles({ ...wishes, addresses: ['10.89.0.2', 'fd00::2'] }, '').hosts
  expect(known).toContain('10.89.0.2\thouse\nfd00::2\thouse\n')
  expect(known).not.toContain('127.0.1.1')
})

test('name servers: those asked for, or those of the host that are not on its loopback', () => {
  const host = '# made by\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch example.test\nnameserver ::1\n'
  expect(etcFiles(wishes, host)['resolv.conf']).toBe('nameserver 192.0.2.1\nsearch example.test\n')
  // The host's search list stays, as in docker.
  const others = { ...wishes, nameServer: '10.88.0.1', dns: ['192.0.2.7', '192.0.2.8'] }
  expect(etcFiles(others, host)['resolv.conf']).toBe(
    'nameserver 192.0.2.7\nnameserver 192.0.2.8\nsearch example.test\n',
  )
  // A container without a network learns nothing of the host's, and is told why names are not found.
  const none = { ...wishes, hasNetwork: false }
  expect(etcFiles(none, host)['resolv.conf']).toBe('# This container has no network.\n')
  expect(etcFiles({ ...none, dns: ['192.0.2.7'] }, host)['resolv.conf']).toBe('nameserver 192.0.2.7\n')
})

test('the name server of a network stands alone, however the host writes its own', () => {
  const host = 'nameserver 192.0.2.1\nnameserver\t192.0.2.2\n  nameserver \t192.0.2.3\nsearch\texample.test\n'
  expect(etcFiles({ ...wishes, nameServer: '10.88.0.1' }, host)['resolv.conf']).toBe(
    'nameserver 10.88.0.1\nsearch\texample.test\n',
  )
  const unfilled = 'nameserver \nsearch example.test\n'
  expect(etcFiles({ ...wishes, nameServer: '10.88.0.1' }, unfilled)['resolv.conf']).toBe(
    'nameserver 10.88.0.1\nsearch example.test\n',
  )
})

test('on a network with names of its own a name is that of a container first, unless somebody says otherwise', () => {
  const shared = { ...wishes, addresses: ['10.89.0.2'], nameServer: '10.89.0.1' }
  const of = (host: string, resolver: readonly string[] = []) =>
    etcFiles({ ...shared, resolver }, host)['resolv.conf']
  expect(of('search a.test\n')).toBe('nameserver 10.89.0.1\nsearch a.test\noptions ndots:0\n')
  expect(of('options ndots:5 rotate\n')).toBe('nameserver 10.89.0.1\noptions ndots:5 rotate\n')
  expect(of('', ['options ndots:2'])).toBe('nameserver 10.89.0.1\noptions ndots:2\n')
  expect(etcFiles({ ...wishes, nameServer: '10.88.0.1' }, '')['resolv.conf']).toBe('nameserver 10.88.0.1\n')
})

test('the directory keeps the facts of the image’s, and a link in its place is followed inside that', () => {
  const dir = mkdtempSync('/tmp/kata-ts-etc-')
  try {
    for (const name of ['lower/etc', 'upper', 'odd', 'upper2', 'upper3'])
      mkdirSync(`${dir}/${name}`, { recursive: true })
    chmodSync(`${dir}/lower/etc`, 0o711)
    writeEtcFiles(`${dir}/upper`, [`${dir}/odd`, `${dir}/lower`], wishes)
    expect(statSync(`${dir}/upper/etc`).mode & 0o777).toBe(0o711)
    expect(readFileSync(`${dir}/upper/etc/hostname`, 'utf8')).toBe('house\n')
    symlinkSync('/elsewhere', `${dir}/odd/etc`)
    writeEtcFiles(`${dir}/upper2`, [`${dir}/odd`, `${dir}/lower`], wishes)
    expect(existsSync(`${dir}/upper2/etc`)).toBe(false)
    mkdirSync(`${dir}/linked/usr/etc`, { recursive: true })
    mkdirSync(`${dir}/upper4`)
    symlinkSync('/usr/etc', `${dir}/linked/etc`)
    writeEtcFiles(`${dir}/upper4`, [`${dir}/linked`], wishes)
    expect(readFileSync(`${dir}/upper4/usr/etc/hostname`, 'utf8')).toBe('house\n')
    expect(existsSync(`${dir}/upper4/etc`)).toBe(false)
    writeEtcFiles(`${dir}/upper3`, [], wishes)
    expect(statSync(`${dir}/upper3/etc`).mode & 0o777).toBe(0o755)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
