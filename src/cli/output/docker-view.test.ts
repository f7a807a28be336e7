import { expect, test } from 'bun:test'
import { dockerNetworks } from './docker-networks.ts'
import { dockerFacts } from './docker-view.ts'
import { compileEach } from './template/rows.ts'

const facts = {
  ...{ id: 'web', namespace: 'default', image: 'busybox', imageId: undefined, layers: [], command: ['sh'] },
  ...{ createdAt: '2026-01-02T15:04:05.000Z', labels: { app: 'a' }, bootId: '', detached: true },
  ...{ autoRemove: false, terminal: false, status: 'running', exitCode: null, oomKilled: false, ports: [] },
  ...{ health: null, healthcheck: null, sandbox: null, failure: null },
} as unknown as Parameters<typeof dockerFacts>[0]

const nothing = { volumes: [], networks: {}, logPath: '' }

test('a label that a container does not have is empty, as that of an image is', () => {
  const found = dockerFacts(facts, {}, nothing)
  const shown = (template: string) => compileEach(template)(found)
  expect(shown('{{.Config.Labels.app}}|{{.Config.Labels.tier}}|')).toBe('a||\n')
  expect(shown('{{with .Config.Labels.tier}}x{{else}}none{{end}} {{json .Config.Labels}}')).toBe(
    'none {"app":"a"}\n',
  )
  expect(() => shown('{{.Config.Label}}')).toThrow('there is no field Label')
})

test('a container without a health check has none, as with docker: scripts ask for it', () => {
  const found = dockerFacts(facts, {}, nothing)
  const shown = (template: string) => compileEach(template)(found)
  expect(shown('{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}')).toBe('none\n')
  expect(shown('{{if .Config.Healthcheck}}{{.Config.Healthcheck.Test}}{{else}}none{{end}}')).toBe('none\n')
  expect(shown('{{json .State}}{{json .Config}}')).not.toContain('Health')
})

test('each exposed port is shown, also of a range', () => {
  const found = dockerFacts({ ...facts, exposed: ['80-81/tcp', '53/udp'] }, {}, nothing)
  expect(Object.keys(found.Config.ExposedPorts)).toEqual(['80/tcp', '81/tcp', '53/udp'])
})

test('a script finds the network of a container where docker has it', () => {
  const shown = (networks: ReturnType<typeof dockerNetworks>, namespaces: object[] = []) => {
    const spec = { linux: { namespaces } } as Parameters<typeof dockerFacts>[1]
    const view = '{{.HostConfig.NetworkMode}} {{.NetworkSettings.IPAddress}}/{{.NetworkSettings.IPPrefixLen}}'
    return compileEach(view)(dockerFacts(facts, spec, { ...nothing, networks }))
  }
  const own = dockerNetworks({ mac: '02:00:00:00:00:01' })
  expect(shown(own)).toBe(`bridge ${own.bridge!.IPAddress}/${own.bridge!.IPPrefixLen}\n`)
  const place = { network: 'front', address: '10.89.0.2', bits: 24, gateway: '10.89.0.1', names: ['web'] }
  // As in docker, whose field is about the network that nobody has named.
  expect(shown(dockerNetworks({ place }))).toBe('front /0\n')
  const none = dockerNetworks(undefined)
  expect(shown(none, [{ type: 'network', path: '/run/netns/a' }])).toBe('ns:/run/netns/a /0\n')
  expect(shown(none, [{ type: 'network' }])).toBe('none /0\n')
  expect(shown(none)).toBe(' /0\n')
})

test('mounts are binds, too, and a log has its path', () => {
  const bind = (source: string, destination: string, options: string[]) => ({
    ...{ type: 'bind', source, destination, options },
  })
  const mounts = [
    bind('/srv/a', '/a', ['rbind', 'ro']),
    bind('/volumes/data', '/data', ['rbind']),
    { type: 'tmpfs', source: '/x', destination: '/x' },
  ]
  const volumes = [{ name: 'data', source: '/volumes/data' }]
  const found = dockerFacts(facts, { mounts }, { ...nothing, volumes, logPath: '/log' })
  expect(compileEach('{{.HostConfig.Binds}} {{.LogPath}} {{len .Mounts}}')(found)).toBe(
    '[/srv/a:/a:ro data:/data] /log 2\n',
  )
})
