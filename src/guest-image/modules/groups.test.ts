import { expect, test } from 'bun:test'
import { listedModules, moduleGroups } from './groups.ts'

test('a file is listed by its directory or its name, whatever its packing', () => {
  const files = [
    'drivers/net/wireguard/wireguard.ko.xz',
    'net/bridge/netfilter/ebt_ip.ko',
    'fs/nls/nls_iso8859-1.ko.xz',
    'fs/nls/nls_cp949.ko.xz',
    'drivers/net/netconsole.ko.xz',
  ]
  expect(listedModules(files)).toEqual(['wireguard', 'ebt_ip', 'nls_iso8859_1'])
})

test('exceptions are of their group', () => {
  const groups = [
    { reason: 'ciphers', files: ['crypto/**'], except: ['crypto/algif_*'] },
    { reason: 'one of them', files: ['crypto/algif_hash'] },
  ]
  expect(
    listedModules(['crypto/ccm.ko.xz', 'crypto/algif_rng.ko.xz', 'crypto/algif_hash.ko.xz'], groups),
  ).toEqual(['ccm', 'algif_hash'])
})

test.each([
  'net/sctp/sctp',
  'net/dccp/dccp',
  'net/tipc/tipc',
  'net/rds/rds',
  'crypto/af_alg',
  'net/vmw_vsock/vsock',
])('%s, whose sockets take no capability to ask for, is not listed', (file) =>
  expect(listedModules([`${file}.ko.xz`])).toEqual([]),
)

test('each group says what it is for', () => {
  for (const { reason } of moduleGroups) expect(reason).toMatch(/^[A-Z].{10,}\.$/)
})
