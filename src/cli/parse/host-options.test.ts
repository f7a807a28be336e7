import { expect, test } from 'bun:test'
import { hostCpuset } from '../../cgroups/cpuset.ts'
import { parseHostOptions } from './host-options.ts'

const host = () => ({ cpus: [0, 1, 2, 3], mems: [0] })

test('what is asked for is read', () => {
  expect(
    parseHostOptions(
      {
        cpusetCpus: '0-1,3',
        cpusetMems: '0',
        memorySwap: '2g',
        oomScoreAdj: '500',
        annotation: ['io.example=a=b'],
        dnsSearch: ['a.example', 'b.example'],
        dnsOption: ['ndots:2', 'rotate'],
      },
      '1g',
      host,
    ),
  ).toEqual({
    cpus: '0-1,3',
    mems: '0',
    oomScoreAdj: 500,
    annotations: { 'io.example': 'a=b' },
    resolver: ['search a.example b.example', 'options ndots:2 rotate'],
  })
  expect(parseHostOptions({}, undefined)).toEqual({
    cpus: '',
    mems: '',
    oomScoreAdj: undefined,
    annotations: {},
    resolver: [],
  })
  expect(() => parseHostOptions({ memorySwap: '-1' }, undefined)).not.toThrow()
})

test.each([
  [{ cpusetCpus: '3-1' }, 'CPUSET_INVALID'],
  [{ cpusetCpus: '0,4' }, 'memory nodes 0,4 is invalid. Give numbers and ranges that the host has'],
  [{ cpusetMems: '1' }, 'CPUSET_INVALID'],
  [{ memorySwap: '1g' }, 'no --memory'],
  [{ oomScoreAdj: '-5' }, 'no container is spared'],
  [{ oomScoreAdj: '1001' }, '--oom-score-adj'],
  [{ annotation: ['=x'] }, 'KEY=VALUE'],
  [{ dnsSearch: ['a b'] }, '--dns-search'],
  [{ dnsOption: ['ndots:2\nnameserver 1.1.1.1'] }, '--dns-option'],
])('%j is refused', (flags, named) => {
  expect(() => parseHostOptions(flags, undefined, host)).toThrow(named)
})

test('all processors and memory nodes of this host may be named', () => {
  const { cpus, mems } = hostCpuset()
  expect(cpus).not.toEqual([])
  const asked = { cpusetCpus: cpus.join(), cpusetMems: mems.join() }
  expect(parseHostOptions(asked, undefined)).toMatchObject({ cpus: asked.cpusetCpus, mems: asked.cpusetMems })
  expect(() => parseHostOptions({ cpusetCpus: String(Math.max(...cpus) + 1) }, undefined)).toThrow(
    'CPUSET_INVALID',
  )
})

test('memory with swap cannot be less than memory', () => {
  expect(() => parseHostOptions({ memorySwap: '1m' }, '2m')).toThrow(
    '[OPTION_CONFLICT] --memory-swap 1m and --memory 2m',
  )
  expect(() => parseHostOptions({ memorySwap: '1g' }, '0')).toThrow(
    '[OPTION_CONFLICT] --memory-swap 1g and --memory 0',
  )
  for (const memorySwap of ['0', '-1']) expect(() => parseHostOptions({ memorySwap }, '0')).not.toThrow()
})
