// test:vmm: qemu
/** Clones of a template that are saved: they go on, and others begin with them, as with a machine that has booted. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { configuration } from './harness/configuration.ts'
import { ownDirectory } from './harness/directories.ts'
import { eventually, Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { vmm } from './harness/vmm.ts'

let kata: Kata
let directory: string
beforeAll(() => {
  kata = new Kata(vmm, { network: 'default' })
  directory = ownDirectory('/var/lib/kata-ts-e2e-suspend-')
})
afterAll(async () => {
  await kata.close()
  rmSync(directory, { recursive: true })
})

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await kata.call(args)
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' })
  return stdout
}
const shell = (name: string, script: string) => ok('exec', name, 'sh', '-c', script)
/** What the container serves, by its network card. */
const textOf = (port: number) =>
  eventually(`port ${port}`, () =>
    fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(slow(5000)) })
      .then((answer) => answer.text())
      .catch(() => undefined),
  )
/** A word that is in its memory alone. */
const serve =
  'mount -t tmpfs none /mnt; read word </proc/sys/kernel/random/uuid; echo $word >/mnt/index.html; exec httpd -f -h /mnt'

test.each(['virtio-scsi', 'virtio-blk'])(
  'a clone with disks by %s goes on where it was, twice, and so does what began with it',
  async (driver) => {
    const hypervisor = `[hypervisor.qemu]\nrootless = true\ndefault_memory = 256\nshared_fs = "none"\nblock_device_driver = "${driver}"\n`
    const factory = `[factory]\nenable_template = true\ntemplate_path = "${directory}/templates"\n`
    const file = `${directory}/${driver}.toml`
    writeFileSync(file, configuration(`${hypervisor}${factory}`))
    await ok('factory', 'init', '--config', file)
    const port = 20_000 + (process.pid % 10_000)
    const publish = ['-p', `127.0.0.1:${port}:80`]
    const flags = ['--config', file, ...publish, '--cap-add', 'SYS_ADMIN', '--storage-opt', 'size=32M']
    await ok('run', '-d', '--name', 'clone', ...flags, '--', 'sh', '-c', serve)
    const first = await kata.inspect('clone')
    expect(first.sandbox.template).not.toBe('')
    const word = await textOf(port)
    await shell('clone', 'echo kept >/file')

    let { uid } = first.sandbox
    for (const turn of ['first', 'second']) {
      expect(await ok('suspend', 'clone')).toBe('clone\n')
      expect(await ok('resume', 'clone')).toBe('clone\n')
      const { sandbox } = await kata.inspect('clone')
      expect({ turn, isOther: sandbox.uid !== uid }).toEqual({ turn, isOther: true })
      ;({ uid } = sandbox)
      expect(await textOf(port)).toBe(word)
      expect(await shell('clone', 'cat /file')).toBe('kept\n')
    }
    await ok('fork', 'clone', 'other')
    expect(await shell('other', 'wget -q -O- http://127.0.0.1/')).toBe(word)
    const cards = await Promise.all(
      ['clone', 'other'].map((name) => shell(name, 'cat /sys/class/net/eth0/address')),
    )
    expect(new Set(cards).size).toBe(2)
    await ok('snapshot', 'create', 'clone', `saved-${driver}`)
    await ok('rm', '-f', 'clone', 'other')
    await ok('run', '-d', '--name', 'later', '--config', file, ...publish, '--from', `saved-${driver}`)
    expect(await textOf(port)).toBe(word)
    expect(await shell('later', 'cat /file')).toBe('kept\n')
    const audit = await kata.call(['audit', 'later'])
    expect({
      code: audit.code,
      vmm: audit.stdout.match(/^vmm, process \d+: as asked for$/gm)?.length,
    }).toEqual({ code: 0, vmm: 1 })
    await ok('rm', '-f', 'later')
    await ok('factory', 'destroy', '--config', file)
  },
  slow(240_000),
)
