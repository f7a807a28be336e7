// The floors of the house (docs/design/architecture.md): a folder imports only from floors below it.
// Rooms on one floor do not know each other. There are three exceptions: the entry of the executable, which is either
// the command line or the shim by the name it was called; the list of drivers, which imports their data; and the double
// of the shim's processes, whose streams are the shim's own.
const floors = [
  ['version', 'own-bundle', 'identifier', 'plain-text', 'time', 'json'],
  ['errors', 'log'],
  ['protobuf'],
  ['linux', 'protocol', 'ttrpc', 'netlink'],
  ['config', 'ledger', 'oci', 'shim-client'],
  ['rootless', 'bundle', 'guest-image'],
  ['vmm', 'sharing', 'images', 'network', 'devices', 'cgroups', 'agent'],
  ['sandbox'],
  ['cli', 'shim', 'sdk'],
]
const room = (name) =>
  [...floors[0], ...floors[1]].includes(name) ? `^src/${name}([.]ts$|/)` : `^src/${name}/`

const upward = floors.flatMap((rooms, floor) =>
  rooms.map((name) => ({
    name: `floor-${floor}-${name}`,
    comment: `src/${name} stands on floor ${floor}: it may not import from its own floor's other rooms or from above`,
    severity: 'error',
    from: { path: room(name), pathNot: '^src/(cli/main|config/drivers|cli/client/process[.]double)[.]ts$' },
    to: {
      path:
        floors
          .slice(floor)
          .flat()
          .filter((other) => other !== name)
          .map(room)
          .join('|') || '^$',
    },
  })),
)

/** Tests may use what stands outside src, to find what set-up has built for instance. */
const testsAndTheirHelpers = [
  '[.]test[.]ts$',
  '[.](double|host)[.]ts$',
  '/testing[.]ts$',
  '/test-[^/]+[.]ts$',
]
module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'list-of-drivers',
      comment:
        'src/config/drivers.ts lists the data of the drivers, which stands in their folders; it sees nothing else of them',
      severity: 'error',
      from: { path: '^src/config/drivers[.]ts$' },
      to: { path: '^src/', pathNot: '^src/(config/|vmm/[^/]+/configuration/)' },
    },
    {
      name: 'drivers-data',
      comment: 'what the configuration has to know of a driver is data: it is read where no driver is',
      severity: 'error',
      from: { path: '^src/vmm/[^/]+/configuration/', pathNot: '[.]test[.]ts$' },
      to: {
        path: '^src/',
        pathNot: [
          '^src/config/(driver-configuration|key-spec|value-types)[.]ts$',
          '^src/vmm/[^/]+/configuration/',
        ],
      },
    },
    {
      name: 'product-knows-no-tools',
      comment: 'src is the product: what builds, tests and measures it stands outside and above',
      severity: 'error',
      from: { path: '^src/', pathNot: testsAndTheirHelpers },
      to: { path: '^(setup|e2e|bench|lab)/' },
    },
    {
      name: 'light-shim',
      comment:
        'every pod has a shim, and each of these takes half a mebibyte of it or more: src/json/is-equal.ts and src/netlink/ip.ts have what was used of them',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [
          ...testsAndTheirHelpers,
          '^src/(cli|sdk|shim-client|images|network/resolver)/|^src/ttrpc/node[.]ts$',
        ],
      },
      to: { path: '^(net|util|crypto|stream|http|https|tls|zlib)$' },
    },
    {
      name: 'host-knows-no-guest',
      comment:
        'what runs on the host imports nothing of the guest, but the version that its image is named by',
      severity: 'error',
      from: { path: '^src/', pathNot: testsAndTheirHelpers },
      to: { path: '^guest/', pathNot: '^guest/agent/src/system/version[.]ts$' },
    },
    {
      name: 'guest-knows-no-tools',
      comment: 'the guest is part of the product too',
      severity: 'error',
      from: { path: '^guest/', pathNot: testsAndTheirHelpers },
      to: { path: '^(setup|e2e|bench|lab)/' },
    },
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      // A type that a command's option table defines and its action takes is no cycle at run time.
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'ttrpc-stands-alone',
      comment: 'src/ttrpc is publishable alone: it knows the wire and the error codes, nothing of containers',
      severity: 'error',
      from: { path: '^src/ttrpc/', pathNot: '[.]test[.]ts$' },
      to: { path: '^src/', pathNot: '^src/(ttrpc|protobuf)/' },
    },
    {
      name: 'protobuf-stands-alone',
      comment:
        'src/protobuf is in every npm package that speaks: it knows messages, and nothing of who sends them',
      severity: 'error',
      from: { path: '^src/protobuf/', pathNot: '[.]test[.]ts$' },
      to: { path: '^src/', pathNot: '^src/protobuf/' },
    },
    {
      name: 'shim-client-stands-alone',
      comment: 'src/shim-client is publishable alone: it knows ttrpc and the Task service',
      severity: 'error',
      from: { path: '^src/shim-client/', pathNot: '[.]test[.]ts$' },
      to: { path: '^src/', pathNot: '^src/(shim-client/|ttrpc/|protobuf/|protocol/|json/|time[.]ts$)' },
    },
    {
      name: 'sdk-stands-alone',
      comment:
        'src/sdk is publishable alone: it drives the executable and knows its words, nothing of its code',
      severity: 'error',
      from: { path: '^src/sdk/', pathNot: '[.]test[.]ts$' },
      to: { path: '^src/', pathNot: '^src/(sdk/|json/|time[.]ts$)' },
    },
    {
      name: 'netlink-stands-alone',
      comment: 'src/netlink is shared with the guest: it knows the kernel, nothing of containers',
      severity: 'error',
      from: { path: '^src/netlink/', pathNot: '[.]test[.]ts$' },
      to: { path: '^src/', pathNot: '^src/netlink/' },
    },
    {
      name: 'guest-shares-only-the-wire',
      comment: 'the guest agent shares ttrpc, the protocol and netlink with the host, and nothing else',
      severity: 'error',
      from: { path: '^guest/agent/src/' },
      to: { path: '^src/', pathNot: '^src/(ttrpc|protocol|netlink)/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'node_modules' },
  },
}
