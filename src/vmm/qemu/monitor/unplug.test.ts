import { describe, expect, test } from 'bun:test'
import { KataError } from '../../../errors.ts'
import { Unplugs } from './unplug.ts'

/** Commands succeed; what the machine then tells is up to the test. */
const obedient = async () => ({})

describe('unplugging', () => {
  test('ends when QEMU says that this device is gone, not another one', async () => {
    const unplugs = new Unplugs(obedient)
    let over = false
    const removal = unplugs.remove('disk1', 'disk /dev/sdb').then(() => {
      over = true
    })
    unplugs.event('DEVICE_DELETED', { device: 'disk2' })
    unplugs.event('DEVICE_DELETED', { path: '/machine/peripheral/disk1/virtio-backend' })
    await Bun.sleep(0)
    expect(over).toBe(false)
    unplugs.event('DEVICE_DELETED', { device: 'disk1' })
    await removal
  })

  test('fails when the guest refuses, when it is silent, and when QEMU does', async () => {
    const unplugs = new Unplugs(obedient, 1)
    const refused = unplugs.remove('disk1', 'disk /dev/sdb')
    unplugs.event('DEVICE_UNPLUG_GUEST_ERROR', { device: 'disk1' })
    await expect(refused).rejects.toThrow('its guest refuses')
    await expect(unplugs.remove('disk1', 'disk /dev/sdb')).rejects.toThrow(
      /^\[VMM_UNPLUG_REFUSED\].*did not let go/,
    )
    const broken = new Unplugs(() => Promise.reject(new Error('no such device')))
    await expect(broken.remove('disk1', 'x')).rejects.toThrow('no such device')
  })
})

/** A QEMU whose guest lets go of a device only when the test has it do so; answers and events come in QEMU's order. */
function slowGuest() {
  const asked: string[] = []
  const there = new Set(['disk1'])
  let answer: string | undefined
  const failed = (reason: string) => new KataError('VMM_COMMAND_FAILED', { command: 'device_del', reason })
  const unplugs = new Unplugs(async (_, args) => {
    const { id } = args as { id: string }
    asked.push(id)
    if (!there.has(id)) throw failed(`Device '${id}' not found`)
    if (answer !== undefined) throw failed(answer)
  }, 1)
  const letGo = (id = 'disk1') => {
    there.delete(id)
    unplugs.event('DEVICE_DELETED', { path: `/machine/peripheral/${id}/virtio-backend` })
    unplugs.event('DEVICE_DELETED', { device: id, path: `/machine/peripheral/${id}` })
  }
  const remove = () => unplugs.remove('disk1', 'disk /dev/sdb')
  const refuse = (reason: string) => {
    answer = reason
  }
  return { unplugs, asked, there, letGo, remove, refuse }
}

describe('a guest that lets go of a device after the time for it', () => {
  test('is heard: QEMU is not asked again for one that has gone', async () => {
    const { asked, letGo, remove } = slowGuest()
    await expect(remove()).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    letGo()
    await remove()
    expect(asked).toEqual(['disk1'])
  })

  test('is waited for again while QEMU has the earlier request', async () => {
    const { asked, letGo, remove, refuse } = slowGuest()
    await expect(remove()).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    refuse('Device disk1 is already in the process of unplug')
    await expect(remove()).rejects.toThrow('did not let go')
    const removal = remove()
    letGo()
    await removal
    expect(asked).toEqual(['disk1', 'disk1', 'disk1'])
  })

  test('and does so while it is asked again, is not a failure', async () => {
    const { there, letGo, remove } = slowGuest()
    await expect(remove()).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    // QEMU sends events before an answer that it decides on later.
    there.delete('disk1')
    const removal = remove()
    letGo()
    await removal
  })

  test('is told of once: another device may have its id then', async () => {
    const { unplugs, asked, there, letGo, remove } = slowGuest()
    await expect(remove()).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    expect(unplugs.takeGone('disk1')).toBe(false)
    letGo()
    expect([unplugs.takeGone('disk1'), unplugs.takeGone('disk1')]).toEqual([true, false])
    there.add('disk1')
    await expect(remove()).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    expect(asked).toEqual(['disk1', 'disk1'])
  })

  test('is heard after a request that QEMU did not answer in time', async () => {
    const late = new KataError('VMM_COMMAND_TIMEOUT', { command: 'device_del', seconds: 10 })
    const unplugs = new Unplugs(() => Promise.reject(late))
    await expect(unplugs.remove('disk1', 'x')).rejects.toThrow('[VMM_COMMAND_TIMEOUT]')
    unplugs.event('DEVICE_DELETED', { device: 'disk1' })
    await unplugs.remove('disk1', 'x')
  })
})

describe('a device that the guest ejects by itself', () => {
  test('is out when its removal is asked for', async () => {
    const { asked, letGo, remove } = slowGuest()
    letGo()
    await remove()
    expect(asked).toEqual([])
  })

  test('is waited for when QEMU does not know it any more, and the event is still to come', async () => {
    const { unplugs, there, letGo, remove } = slowGuest()
    there.delete('disk1')
    const removal = remove()
    letGo()
    await removal
    expect(unplugs.takeGone('disk1')).toBe(false)
  })

  test('is out although QEMU does not answer the request for it', async () => {
    const unplugs = new Unplugs(() => new Promise(() => {}), 1)
    const removal = unplugs.remove('disk1', 'x')
    unplugs.event('DEVICE_DELETED', { device: 'disk1' })
    await removal
  })
})

test('a QEMU that tells of devices without end is not listened to for ever', () => {
  const unplugs = new Unplugs(obedient)
  for (let at = 0; at < 2000; at++) unplugs.event('DEVICE_DELETED', { device: `disk${at}` })
  expect([unplugs.takeGone('disk1023'), unplugs.takeGone('disk1024')]).toEqual([true, false])
})

test('what QEMU refuses to take out is an error, and what went in time is remembered by nobody', async () => {
  const { remove, refuse } = slowGuest()
  refuse("Bus 'pcie.0' does not support hotplugging")
  await expect(remove()).rejects.toThrow('does not support hotplugging')
  const other = slowGuest()
  const removal = other.remove()
  other.letGo()
  await removal
  expect(other.unplugs.takeGone('disk1')).toBe(false)
})
