import { describe, expect, test } from 'bun:test'
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
