import { expect, test } from 'bun:test'
import { onlyStandard } from './gateway-script.ts'

test('of many sockets that pasta leaves open, what holds the namespaces has none, and no variable', () => {
  const numbers = Array.from({ length: 40 }, (_, index) => index + 3)
  const open = numbers.map((fd) => `${fd}</dev/null`).join(' ')
  const look = `for fd in ${numbers.join(' ')}; do if [ -e /proc/$$/fd/$fd ]; then echo $fd; fi; done; echo "[\${LEFT-}]"`
  const child = Bun.spawnSync(
    [
      ...['/bin/bash', '-c', `exec ${open}; exec "$@"`, 'bash'],
      ...[...onlyStandard('/bin/bash'), '/bin/sh', '-c', look],
    ],
    { env: { LEFT: 'over' } },
  )
  expect([child.stdout.toString(), child.stderr.toString()]).toEqual(['[]\n', ''])
})
