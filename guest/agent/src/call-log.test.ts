import { expect, test } from 'bun:test'
import type { Service } from '../../../src/ttrpc/ttrpc.ts'
import { tellCalls } from './call-log.ts'

test('calls are told when they begin and end, and go on as before', async () => {
  const method = {} as never
  const services: Service[] = [
    {
      name: 's',
      methods: new Map([
        ['Good', { method, handler: () => 7 }],
        ['Bad', { method, handler: () => Promise.reject(new Error('no such container')) }],
        ['ReadStdout', { method, handler: () => 'output' }],
      ]),
    },
  ]
  const lines: string[] = []
  const [told] = tellCalls(services, (line) => lines.push(line.replace(/\d+ ms/, 'N ms')))
  const call = (name: string) => told!.methods.get(name)!.handler({}, {} as never)
  expect(await call('Good')).toBe(7)
  await expect(call('Bad') as Promise<unknown>).rejects.toThrow('no such container')
  expect(call('ReadStdout')).toBe('output')
  expect(lines).toEqual(['Good', 'Good: ok (N ms)', 'Bad', 'Bad: no such container (N ms)'])
})
