import { expect, test } from 'bun:test'
import { dockerFacts } from './docker-view.ts'
import { compileEach } from './template/rows.ts'

const facts = {
  ...{ id: 'web', namespace: 'default', image: 'busybox', imageId: undefined, layers: [], command: ['sh'] },
  ...{ createdAt: '2026-01-02T15:04:05.000Z', labels: { app: 'a' }, bootId: '', detached: true },
  ...{ autoRemove: false, terminal: false, status: 'running', exitCode: null, oomKilled: false, ports: [] },
  ...{ health: null, healthcheck: null, sandbox: null, failure: null },
} as unknown as Parameters<typeof dockerFacts>[0]

test('a label that a container does not have is empty, as that of an image is', () => {
  const found = dockerFacts(facts, {}, { volumes: [], networks: {} })
  const shown = (template: string) => compileEach(template)(found)
  expect(shown('{{.Config.Labels.app}}|{{.Config.Labels.tier}}|')).toBe('a||\n')
  expect(shown('{{with .Config.Labels.tier}}x{{else}}none{{end}} {{json .Config.Labels}}')).toBe(
    'none {"app":"a"}\n',
  )
  expect(() => shown('{{.Config.Label}}')).toThrow('there is no field Label')
})

test('a container without a health check has none, as with docker: scripts ask for it', () => {
  const found = dockerFacts(facts, {}, { volumes: [], networks: {} })
  const shown = (template: string) => compileEach(template)(found)
  expect(shown('{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}')).toBe('none\n')
  expect(shown('{{if .Config.Healthcheck}}{{.Config.Healthcheck.Test}}{{else}}none{{end}}')).toBe('none\n')
  expect(shown('{{json .State}}{{json .Config}}')).not.toContain('Health')
})

test('each exposed port is shown, also of a range', () => {
  const found = dockerFacts({ ...facts, exposed: ['80-81/tcp', '53/udp'] }, {}, { volumes: [], networks: {} })
  expect(Object.keys(found.Config.ExposedPorts)).toEqual(['80/tcp', '81/tcp', '53/udp'])
})
