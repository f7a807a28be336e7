import { expect, test } from 'bun:test'
import { changedConfig } from './image-changes.ts'

test.each([
  ['CMD ["sh", "-c", "date"]', { Cmd: ['sh', '-c', 'date'] }],
  ['cmd date -u', { Cmd: ['/bin/sh', '-c', 'date -u'] }],
  ['ENTRYPOINT ["/app"]', { Entrypoint: ['/app'], Cmd: undefined }],
  ['ENV COLOUR="dark green"', { Env: ['PATH=/bin', 'COLOUR=dark green'] }],
  ['ENV PATH /usr/bin', { Env: ['PATH=/usr/bin'] }],
  ['LABEL a=b', { Labels: { a: 'b' } }],
  ['EXPOSE 80', { ExposedPorts: { '80/tcp': {} } }],
  ['VOLUME /data', { Volumes: { '/data': {} } }],
  ['WORKDIR /srv', { WorkingDir: '/srv' }],
  ['USER app', { User: 'app' }],
  ['STOPSIGNAL SIGINT', { StopSignal: 'SIGINT' }],
])('%s', (change, expected) => {
  expect(changedConfig({ Env: ['PATH=/bin'], Cmd: ['x'] }, [change])).toMatchObject(expected)
})

test.each(['', 'CMD', 'RUN date', 'CMD ["sh"', 'CMD [1]', 'ENV =x', 'EXPOSE http'])(
  '%p is refused',
  (change) => {
    expect(() => changedConfig({}, [change])).toThrow(
      expect.objectContaining({ code: 'IMAGE_CHANGE_INVALID' }),
    )
  },
)
