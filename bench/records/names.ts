/** Every benchmark, in the order in which they run. */
export const benchmarkNames = [
  'start',
  'warm',
  'peers',
  'modules',
  'memory',
  'density',
  'shims',
  'overhead',
  'exec',
  'streams',
  'stop',
  'rootless',
  'share',
  'accounts',
  'disk',
  'storage',
  'network',
  'uplink',
  'parallel',
  'containerd',
  'node',
] as const

export type BenchmarkName = (typeof benchmarkNames)[number]

/** They take too long to come along unasked. */
export const onlyAsked: readonly BenchmarkName[] = ['node']
