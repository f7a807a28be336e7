import { expect, test } from 'bun:test'
import { builtInConfig } from '../../src/config/load.ts'
import { readHostSize } from '../../src/config/validate.ts'
import { summarize } from '../stats.ts'
import { domainXml } from './libvirt.ts'
import { report } from './peers.ts'

const time = (median: number) => summarize([median])

test('each is a ratio of the bare machine and of our exec, and who is missing is named with the reason', () => {
  const { tables } = report({
    rounds: 1,
    start: {
      'bare QEMU': { until: 'until the agent answers', time: time(1000) },
      'kata-ts': { until: 'until the first output', time: time(1300) },
    },
    exec: {
      'kata-ts': { firstOutput: time(100), total: time(110) },
      runc: { firstOutput: time(25), total: time(30) },
    },
    absent: { runsc: 'not installed (apt-get install runsc)' },
  })
  expect(tables[0]!.rows).toEqual([
    ['bare QEMU until the agent answers', '1000 ms', '1000 ms', '1000 ms', '1.00'],
    ['kata-ts until the first output', '1300 ms', '1300 ms', '1300 ms', '1.30'],
    ['runsc: not installed (apt-get install runsc)', '–', '–', '–', '–'],
  ])
  expect(tables[1]!.rows.map((row) => row.at(-1))).toEqual(['1.00', '0.25'])
})

test('the domain is the machine of our configuration, and nothing in it is markup of others', () => {
  const config = builtInConfig(readHostSize(), 'qemu')
  const guest = { kernel: '/k', initrd: '/i', accelerator: 'tcg' as const, config }
  const xml = domainXml('a', guest, { parameters: "quiet x='<&>'", cpu: 'max,-erms,-fsrm,pmu=off' })
  expect(xml).toContain("<domain type='qemu'>")
  expect(xml).toContain('<cmdline>quiet x=&apos;&lt;&amp;&gt;&apos;</cmdline>')
  expect(xml).toContain("<feature policy='disable' name='erms'/><feature policy='disable' name='fsrm'/>")
  expect(xml).toContain(`<memory unit='MiB'>${config.hypervisor.defaultMemory}</memory>`)
  expect(domainXml('a', { ...guest, accelerator: 'kvm' }, { parameters: '', cpu: 'host' })).toContain(
    "<cpu mode='host-passthrough'></cpu>",
  )
})
