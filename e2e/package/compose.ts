/** Two services by Docker's compose, for the Docker of a system of the test's own. */
import { kataRuntime } from '../harness/docker.ts'

/** Starts it without a word to the host's packet filters, and waits until it answers. Its files are on the disk of /mnt. */
export const startDocker = `mkdir -p /mnt/docker
setsid dockerd --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none --storage-driver=vfs \\
  --data-root /mnt/docker </dev/null >/mnt/docker.log 2>&1 &
for try in $(seq 300); do docker version >/dev/null 2>&1 && exit 0; sleep 0.1; done
cat /mnt/docker.log; exit 1`

/** Waits until it has ended. */
export const stopDocker = `kill $(cat /run/docker.pid)
for try in $(seq 300); do [ -e /run/docker.pid ] || exit 0; sleep 0.1; done
cat /mnt/docker.log; exit 1`

/** `web` shows what it has got of `db` by its name. Compose reads JSON as the YAML that it is. */
export function project(image: string, port: number): string {
  const service = { image, runtime: kataRuntime }
  const network = {
    ipam: { config: [{ subnet: '10.91.4.0/24' }] },
    driver_opts: { 'com.docker.network.bridge.name': 'ktdk2' },
  }
  return JSON.stringify({
    name: 'ktpackage',
    services: {
      db: {
        ...service,
        command: ['sh', '-c', 'mkdir /www; echo of the db >/www/index.html; exec httpd -f -h /www'],
      },
      web: {
        ...service,
        depends_on: ['db'],
        ports: [`127.0.0.1:${port}:80`],
        command: [
          ...['sh', '-c'],
          'mkdir /www; until wget -T 5 -qO /www/index.html http://db/; do sleep 1; done; exec httpd -f -h /www',
        ],
      },
    },
    networks: { default: network },
  })
}
