/** With dash in the jailer's place, which leaves a process behind as the jailer does. */
import { expect, test } from 'bun:test'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { childrenOf, type ProcessRef, processRef, readStatus } from '../../linux/processes/proc.ts'
import { waitGone } from '../../linux/processes/signal.ts'
import { poll, until } from '../../time.ts'
import { launchByJailer } from './jailer.ts'

test('a process is started in its namespaces where the host’s sh is bash, and goes with what stands around it', async () => {
  const code = `
    import { openSync } from 'node:fs'
    import { isAlive } from '${import.meta.dir}/../../linux/processes/proc.ts'
    import { launchByJailer } from '${import.meta.dir}/jailer.ts'
    const output = openSync('/dev/null', 'r+')
    const program = { jailer: '/usr/bin/dash', args: ['-c', '/usr/bin/sleep 60 &'], stdout: output, stderr: output }
    const { ref, around, exited } = await launchByJailer({ uid: 65534, ...program }, {})
    console.log(isAlive(ref))
    process.kill(around.holder.pid, 'SIGKILL')
    await exited
    console.log(isAlive(ref))`
  const bashAsSh = `
    mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work; ln -s bash /mnt/upper/sh
    mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=/mnt/upper,workdir=/mnt/work /usr/bin; exec "$@"`
  const program = ['/usr/bin/dash', '-ec', bashAsSh, 'sh', process.execPath, '-e', code]
  const run = Bun.spawn(['/usr/bin/unshare', '--mount', ...program], { stderr: 'pipe' })
  const [out, err] = await Promise.all([run.stdout.text(), run.stderr.text()])
  expect({ out, err }).toEqual({ out: 'true\nfalse\n', err: '' })
})

test.each([
  ['while the jailer works', () => Bun.sleep(100)],
  [
    'before it has told the holder that the first process is the user',
    (starter: Bun.Subprocess, first: ProcessRef) => {
      starter.kill('SIGSTOP')
      const uid = () => readStatus(`/proc/${first.pid}/status`)?.get('Uid')?.split('\t')[0]
      return until(() => uid() === '65534', { timeoutMs: 4000 })
    },
  ],
])('nothing goes on when the process that starts it is killed %s', async (_, isTime) => {
  const directory = mkdtempSync(`${tmpdir()}/jailer-`)
  try {
    const script = `echo $$ > ${directory}/jailer; /usr/bin/sleep 0.5; /usr/bin/sleep 60 &`
    const code = `
      import { openSync } from 'node:fs'
      import { launchByJailer } from '${import.meta.dir}/jailer.ts'
      const output = openSync('/dev/null', 'r+')
      const program = { jailer: '/usr/bin/dash', args: ['-c', ${JSON.stringify(script)}], stdout: output, stderr: output }
      await launchByJailer({ uid: 65534, ...program }, {})`
    const starter = Bun.spawn([process.execPath, '-e', code], { stdio: ['ignore', 'ignore', 'ignore'] })
    const started = () => existsSync(`${directory}/jailer`) && childrenOf(processRef(starter.pid)!)
    const [holder] = (await poll(() => started() || undefined, { timeoutMs: 10_000 }))!
    const [first] = childrenOf(holder!)
    await isTime(starter, first!)
    starter.kill('SIGKILL')
    await starter.exited
    expect(await waitGone(holder!, 4000)).toBe(true)
    expect(await waitGone(first!, 4000)).toBe(true)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

/**
 * What comes of it when dash runs `script` in the jailer's place. `then` is called once what that leaves was looked at, and the first process of
 * its namespace is no shell any more, which would take its exit code.
 */
async function launched(script: string, then: () => void = () => {}) {
  const output = openSync('/dev/null', 'r+')
  try {
    const program = { jailer: '/usr/bin/dash', args: ['-c', script], stdout: output, stderr: output }
    const { exited, around } = await launchByJailer({ uid: 65534, ...program }, {})
    const onlySleeps = () => readFileSync(`/proc/${around.first.pid}/comm`, 'utf8') === 'sleep\n'
    expect(await until(onlySleeps, { timeoutMs: 4000 })).toBe(true)
    then()
    return await exited
  } finally {
    closeSync(output)
  }
}

test('a jailer that fails is told with its own exit code', async () => {
  // By then the holder is no shell any more, which would take its exit code.
  await expect(launched('/usr/bin/sleep 0.3; exit 3')).rejects.toThrow(
    /JAIL_FAILED.*step jailer failed \(exit code 3\)/,
  )
})

test('what ends the moment it is started is told as that', async () => {
  // It has ended before the jailer has.
  await expect(launched('/usr/bin/true & wait $!')).rejects.toThrow(
    /JAIL_FAILED.*\(it ended before it was looked at\)/,
  )
  // Control: one that is there by then leaves its exit code.
  const directory = mkdtempSync(`${tmpdir()}/jailer-`)
  try {
    const waits = `while [ -e ${directory}/waits ]; do /usr/bin/sleep 0.02; done`
    writeFileSync(`${directory}/waits`, '')
    const end = await launched(`{ ${waits}; exit 7; } &`, () => rmSync(`${directory}/waits`))
    expect(end).toEqual({ code: 7, signal: null })
  } finally {
    rmSync(directory, { recursive: true })
  }
})
