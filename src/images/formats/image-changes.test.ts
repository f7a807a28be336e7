// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of a Dockerfile are written so.
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

const env = ['PATH=/bin', 'DIR=/data', 'N=8', 'EMPTY=']
test.each([
  ['ENV PATH=/opt/bin:$PATH', { Env: ['DIR=/data', 'N=8', 'EMPTY=', 'PATH=/opt/bin:/bin'] }],
  ['ENV PATH /opt/bin:${PATH}', { Env: ['DIR=/data', 'N=8', 'EMPTY=', 'PATH=/opt/bin:/bin'] }],
  [`ENV A="$N \\$N \\" b" B='$N' C=\\$N D=$`, { Env: [...env, 'A=8 $N " b', 'B=$N', 'C=$N', 'D=$'] }],
  ['ENV N=9 A=$N', { Env: ['PATH=/bin', 'DIR=/data', 'EMPTY=', 'N=9', 'A=8'] }],
  [
    'ENV A=${NONE:-x} B=${N:-x} C=${EMPTY:-x} D=${N:+x} E=${NONE:+x} F=$NONE.',
    { Env: [...env, 'A=x', 'B=8', 'C=x', 'D=x', 'E=', 'F=.'] },
  ],
  ['LABEL dir=$DIR', { Labels: { dir: '/data' } }],
  ['EXPOSE 80$N ${N}1/udp', { ExposedPorts: { '808/tcp': {}, '81/udp': {} } }],
  ['VOLUME $DIR/a', { Volumes: { '/data/a': {} } }],
  ['VOLUME ["${DIR}/a"]', { Volumes: { '/data/a': {} } }],
  ['WORKDIR $DIR', { WorkingDir: '/data' }],
  ['USER "u$N"', { User: 'u8' }],
  ['STOPSIGNAL $N', { StopSignal: '8' }],
  // It is the shell of the container that does it there.
  ['CMD echo $N', { Cmd: ['/bin/sh', '-c', 'echo $N'] }],
])('%s: variables are those of the image', (change, expected) => {
  expect(changedConfig({ Env: env }, [change])).toMatchObject(expected)
})

test('a change sees the variables of those before it', () => {
  const { Env } = changedConfig({}, ['ENV A=1', 'ENV B=${A}2', 'ENV A=$B'])
  expect(Env).toEqual(['B=12', 'A=12'])
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
  'ENV A=${B%x}',
  'ENV A="${B"',
  'USER $NONE',
  'VOLUME /a $NONE',
])('%p is refused', (change) => {
  expect(() => changedConfig({}, [change])).toThrow(expect.objectContaining({ code: 'IMAGE_CHANGE_INVALID' }))
})

test('values that make others longer and longer are refused before they fill the memory', () => {
  const change = `LABEL a=${'$A'.repeat(40_000)}`
  const filled = () => changedConfig({ Env: [`A=${'x'.repeat(100_000)}`] }, [change])
  expect(filled).toThrow(expect.objectContaining({ code: 'IMAGE_CHANGE_INVALID' }))
  const doubled = Array.from({ length: 40 }, () => 'ENV A=$A$A')
  expect(() => changedConfig({}, ['ENV A=x', ...doubled])).toThrow(
    expect.objectContaining({ code: 'IMAGE_CHANGE_INVALID' }),
  )
})
