import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { parseImageSource } from './image-source.ts'

test.each([
  ['docker-daemon:nginx:1.27', 'docker-daemon:nginx:1.27', 'docker.io/library/nginx:1.27'],
  ['docker-daemon:quay.io:443/a/b', 'docker-daemon:quay.io:443/a/b:latest', 'quay.io:443/a/b:latest'],
  ['oci:/srv/Layout', 'oci:/srv/Layout', 'localhost/layout:latest'],
  ['oci:/srv/layout:1.0', 'oci:/srv/layout:1.0', 'localhost/layout:1.0'],
  ['oci-archive:/srv/app.tar.gz:@1', 'oci-archive:/srv/app.tar.gz:@1', 'localhost/app:latest'],
  ['oci-archive:/a.tar:quay.io/x/y:2', 'oci-archive:/a.tar:quay.io/x/y:2', 'quay.io/x/y:2'],
  ['docker-archive:/a.tar:app', 'docker-archive:/a.tar:app', 'docker.io/library/app:latest'],
  ['dir:/srv/x', 'dir:/srv/x', 'localhost/x:latest'],
  ['containerd:app', 'containerd:default/docker.io/library/app:latest', 'docker.io/library/app:latest'],
  ['containerd:quay.io/a/b:1', 'containerd:default/quay.io/a/b:1', 'quay.io/a/b:1'],
  ['containerd:k8s.io/pause:3', 'containerd:default/k8s.io/pause:3', 'k8s.io/pause:3'],
  ['containerd:k8s.io/quay.io/pause:3', 'containerd:k8s.io/quay.io/pause:3', 'quay.io/pause:3'],
  ['containerd:moby/localhost/x', 'containerd:moby/localhost/x:latest', 'localhost/x:latest'],
  [
    'containerd:moby/buildkit',
    'containerd:default/docker.io/moby/buildkit:latest',
    'docker.io/moby/buildkit:latest',
  ],
])('%s is read as %s and called %s', (text, reference, full) => {
  expect(parseImageSource(text)).toMatchObject({ reference, name: { full } })
})

test('a path is one of the working directory', () => {
  expect(parseImageSource('oci:--a/layout:1')?.reference).toBe(`oci:${resolve('--a/layout')}:1`)
})

test.each(['busybox', 'docker://oci:1', 'localhost/oci:1', 'OCI:/x', '--oci:/x'])(
  '%s is no store',
  (text) => {
    expect(parseImageSource(text)).toBeUndefined()
  },
)

test.each([
  ...['oci:', 'dir:/', 'oci:/a\nb', 'docker-daemon:sha256:x:y', 'containers-storage:app'],
  ...[
    'containerd:',
    'containerd:/quay.io/x',
    'containerd:-a/quay.io/x',
    'containerd:../quay.io/x',
    'containerd:k8s.io/',
  ],
  `containerd:${'n'.repeat(77)}/quay.io/x`,
  ...['docker-daemon:x\u0000', `docker-daemon:sha256:${'0'.repeat(64)}`],
])('%j is refused', (text) => {
  expect(() => parseImageSource(text)).toThrow('[IMAGE_NAME_INVALID]')
})
