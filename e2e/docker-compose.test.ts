/** Two services by Docker's compose, each in a machine of its own: the one finds the other by its name, and a port leads in. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { defaultRunDir } from '../src/sandbox/records/paths.ts'
import { Dockerd, image, kataRuntime, noDocker } from './harness/docker.ts'
import { type HostState, hostState } from './harness/host/host.ts'
import { expectNothingLeft } from './harness/host/nothing-left.ts'
import { eventually } from './harness/kata.ts'
import { slow } from './harness/time.ts'

const missing = noDocker('dockerd', 'docker', 'docker-compose')
if (missing !== undefined) console.log(missing)

const port = 18_089
const serveWhatDbHas = `mkdir /www
until wget -T 5 -qO /www/index.html http://db/; do sleep 1; done
exec httpd -f -h /www`
/** Compose reads JSON as the YAML that it is. */
const project = {
  name: 'ktcompose',
  services: {
    db: {
      image,
      runtime: kataRuntime,
      networks: { shop: { aliases: ['store'] } },
      command: ['sh', '-c', 'mkdir /www; echo of the db > /www/index.html; exec httpd -f -h /www'],
    },
    web: {
      image,
      runtime: kataRuntime,
      networks: ['shop'],
      depends_on: ['db'],
      ports: [`127.0.0.1:${port}:80`],
      command: ['sh', '-c', serveWhatDbHas],
    },
    // On a network without the others.
    apart: { image, runtime: kataRuntime, networks: ['other'], command: ['sleep', '600'] },
  },
  networks: Object.fromEntries(
    [
      ['shop', '10.91.2.0/24', 'ktdk2'],
      ['other', '10.91.3.0/24', 'ktdk3'],
    ].map(([name, subnet, bridge]) => [
      name,
      {
        ipam: { config: [{ subnet }] },
        driver_opts: { 'com.docker.network.bridge.name': bridge },
      },
    ]),
  ),
}

describe.skipIf(missing !== undefined)('docker-compose', () => {
  let before: HostState
  let docker: Dockerd
  let file: string
  beforeAll(async () => {
    before = hostState(defaultRunDir)
    docker = await Dockerd.start('ktdk4', '10.90.2.1')
    file = `${docker.state}/compose.yaml`
    writeFileSync(file, JSON.stringify(project))
  })
  afterAll(() => docker?.close())

  const compose = (...args: string[]) => docker.compose(file, ...args)
  const inside = (service: string, script: string) => compose('exec', '-T', service, 'sh', '-c', script)

  test(
    'up: services find each other by name through 127.0.0.11, and a published port leads in',
    async () => {
      await compose('up', '--detach')
      const page = () => fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text())
      expect(await eventually('the page', () => page().catch(() => undefined))).toBe('of the db\n')
      const kernels = await Promise.all(['db', 'web'].map((service) => inside(service, 'uname -r')))
      expect(kernels).not.toContain(release())
      const seen = await inside('web', 'cat /etc/resolv.conf; nslookup -type=a db; nslookup -type=a store')
      expect(seen).toContain('nameserver 127.0.0.11')
      const id = await compose('ps', '-q', 'db')
      const address = await docker.must(
        ...['inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', id],
      )
      expect(address).toStartWith('10.91.2.')
      expect(seen.match(new RegExp(`Address: ${address}`, 'g'))).toHaveLength(2)
    },
    slow(300_000),
  )

  test(
    'a service on another network does not find them',
    async () => {
      const ask = 'wget -T 5 -qO- http://db/ || echo not found'
      expect(await inside('web', ask)).toBe('of the db')
      expect(await inside('apart', ask)).toBe('not found')
    },
    slow(120_000),
  )

  test(
    'a service that is made anew is found under its new address, and down takes all away',
    async () => {
      await compose('up', '--detach', '--force-recreate', '--no-deps', 'db')
      expect(
        await eventually('the new db', () =>
          inside('web', 'wget -T 5 -qO- http://db/').catch(() => undefined),
        ),
      ).toBe('of the db')
      await compose('down', '--timeout', '1')
      expect(await docker.must('ps', '-aq')).toBe('')
      await docker.close()
      await expectNothingLeft(before, defaultRunDir)
    },
    slow(300_000),
  )
})
