import { describe, expect, test } from 'bun:test'
import { portPath, RootPorts, rootPortArgs } from './root-ports.ts'

describe('root ports', () => {
  test('are taken from the lowest on, given back, and run out with a coded error', () => {
    const ports = new RootPorts(2)
    expect([ports.take('a'), ports.take('b')]).toEqual([0, 1])
    expect(() => ports.take('the third')).toThrow(/^\[VMM_NO_FREE_PORT\].*the third/)
    ports.free(0)
    expect(ports.take('c')).toBe(0)
  })

  test('have a place on the root bus of their own, and their devices the path that says it', () => {
    expect(rootPortArgs(16)[1]).toBe('pcie-root-port,id=rp0,bus=pcie.0,addr=0xf,chassis=1,slot=1')
    expect(rootPortArgs(16).at(-1)).toBe('pcie-root-port,id=rp15,bus=pcie.0,addr=0x1e,chassis=16,slot=16')
    expect([portPath(0), portPath(1), portPath(15)]).toEqual(['0f/00', '10/00', '1e/00'])
  })
})
