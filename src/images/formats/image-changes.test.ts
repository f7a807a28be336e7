import { expect, test } from 'bun:test'
import { changedConfig } from './image-changes.ts'

test.each([
  ['CMD ["sh", "-c", "date"]', { Cmd: ['sh', '-c', 'date'] }],
  ['cmd date -u', { Cmd: ['/bin/sh', '-c', 'date -u'] }],
  ['ENTRYPOINT ["/app"]', { Entrypoint: ['/app'], Cmd: undefined }],
  ['ENV COLOUR="dark green"', { Env: ['PATH=/bin', 'COLOUR=dark green'] }],
  ['ENV PATH /usr/bin', { Env: ['PATH=/usr/bin'] }],
  ['ENV A=1 B="two words" PATH=/usr', { Env: ['A=1', 'B=two words', 'PATH=/usr'] }],
  ["ENV A=it\\'s B='a \"b\"' C=", { Env: ['PATH=/bin', "A=it's", 'B=a "b"', 'C='] }],
  ['LABEL a=b', { Labels: { a: 'b' } }],
  ['LABEL "c d"="e" a=b', { Labels: { a: 'b', 'c d': 'e' } }],
  ['EXPOSE 80', { ExposedPorts: { '80/tcp': {} } }],
  ['EXPOSE 80 53/udp', { ExposedPorts: { '80/tcp': {}, '53/udp': {} } }],
  ['VOLUME /data', { Volumes: { '/data': {} } }],
  ['VOLUME /data /more', { Volumes: { '/data': {}, '/more': {} } }],
  ['VOLUME ["/data"]', { Volumes: { '/data': {} } }],
  ['WORKDIR sub', { WorkingDir: '/top/sub' }],
  ['WORKDIR /srv', { WorkingDir: '/srv' }],
  ['USER app', { User: 'app' }],
  ['STOPSIGNAL SIGINT', { StopSignal: 'SIGINT' }],
])('%s', (change, expected) => {
  const config = { Env: ['PATH=/bin'], Cmd: ['x'], WorkingDir: '/top' }
  expect(changedConfig(config, [change])).toMatchObject(expected)
})

test('an entry point makes the command of the image void, and no other', () => {
  const [command, entrypoint] = ['CMD ["y"]', 'ENTRYPOINT ["/app"]']
  for (const changes of [
    [command, entrypoint],
    [entrypoint, command],
  ])
    expect(changedConfig({ Cmd: ['x'] }, changes)).toEqual({ Entrypoint: ['/app'], Cmd: ['y'] })
})

test.each([
  '',
  'ENV A="b',
  'ENV A=b c',
  'VOLUME ["/data"',
  'CMD',
  'RUN date',
  'CMD ["sh"',
  'CMD [1]',
  'ENV =x',
  'EXPOSE http',
])('%p is refused', (change) => {
  expect(() => changedConfig({}, [change])).toThrow(expect.objectContaining({ code: 'IMAGE_CHANGE_INVALID' }))
})
