import { expect, test } from 'bun:test'
import { isAlive, processRef } from '../../src/linux/processes/proc.ts'

/** A supervised process with a daemon below it, whose pid it says; below a shell that may be killed. */
async function start() {
  const script = `
    import { endDescendants, supervise } from '${import.meta.dir}/supervise.ts'
    import { processRef } from '${import.meta.dir}/../../src/linux/processes/proc.ts'
    supervise([processRef(process.ppid)], ({ exitCode }) => endDescendants().then(() => process.exit(exitCode)))
    const { stdout } = Bun.spawnSync(['setsid', 'sh', '-c', 'sleep 600 >/dev/null 2>&1 & echo $!'])
    console.log(process.pid, stdout.toString().trim())
    setInterval(() => {}, 1000)`
  const shell = Bun.spawn(['sh', '-c', '"$0" -e "$1"; exit $?', process.execPath, script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { value } = await shell.stdout.getReader().read()
  const [supervisor = 0, daemon = 0] = new TextDecoder().decode(value).trim().split(' ').map(Number)
  return { shell, supervisor, daemon: processRef(daemon)! }
}

test('a daemon ends with the process that supervises it', async () => {
  const { shell, supervisor, daemon } = await start()
  expect(isAlive(daemon)).toBe(true)
  process.kill(supervisor, 'SIGTERM')
  expect(await shell.exited).toBe(143)
  expect(isAlive(daemon)).toBe(false)
})

test('and with whoever started that one', async () => {
  const { shell, supervisor, daemon } = await start()
  const ref = processRef(supervisor)!
  shell.kill('SIGKILL')
  while (isAlive(ref)) await Bun.sleep(20)
  expect(isAlive(daemon)).toBe(false)
})
