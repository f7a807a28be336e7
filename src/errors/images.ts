/** Images of containers: their names, the store, and what brings them there. */
import { type CatalogueEntry, entry } from './entry.ts'

export const imagesErrors = {
  IMAGE_NAME_INVALID: entry(
    'invalid_argument',
    '{"name"} is not the name of an image: {reason}',
    'Write NAME, NAME:TAG, NAME@sha256:DIGEST or REGISTRY/NAME:TAG; a command for the embedded busybox follows `--`: `kata-ts run -- CMD`.',
  ),
  IMAGE_NOT_STORED: entry(
    'not_found',
    'there is no image {"name"} in the store',
    'See `kata-ts images` for those that are there, or get it with `kata-ts pull`.',
  ),
  IMAGE_AMBIGUOUS: entry(
    'invalid_argument',
    '{count} images begin with the id {"id"}',
    'Give more of the id, or the name: `kata-ts images` shows both.',
  ),
  IMAGE_USED: entry(
    'failed_precondition',
    'image {image} is in use by {containers}',
    'Remove these containers first (`kata-ts rm`), or use `kata-ts rmi --force`: the containers keep their files.',
  ),
  IMAGE_STORE_CORRUPT: entry(
    'internal',
    'the image store {path} is damaged: {reason}',
    'Remove an image that is named with `kata-ts rmi`, or all of that directory, and pull again. Containers keep their files, which are elsewhere.',
  ),
  IMAGE_STORE_FULL: entry(
    'resource_exhausted',
    'images take {used} MiB, and {image} does not fit into the {limit} MiB that are allowed',
    'Free some with `kata-ts prune`, or raise image_store_limit in [runtime] of the configuration (0: no limit).',
  ),
  IMAGE_STORE_BUSY: entry(
    'unavailable',
    'another command changes the image store {path} and did not end in {seconds} s',
    'Wait for it (`ps` shows `kata-ts pull`, `rmi` or `prune`) and try again.',
  ),
  FILES_ELSEWHERE: entry(
    'failed_precondition',
    'the files that container {name} writes are on a disk of its machine, which the host does not read',
    'Copy them out while it runs: `kata-ts cp NAME:/ -` writes a tar of them.',
  ),
  FILES_UNREADABLE: entry(
    'failed_precondition',
    'the files of container {name} cannot be read: {reason}',
    'See the reason; what was written before it is not complete.',
  ),
  IMAGE_CHANGE_INVALID: entry(
    'invalid_argument',
    '--change {"text"} cannot be applied: {reason}',
    'Write an instruction as in a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR.',
  ),
  IMAGE_UNNAMED: entry(
    'invalid_argument',
    'no image in {path} has a name',
    'Give it one: `kata-ts load --tag NAME`.',
  ),
  OUTPUT_TERMINAL: entry(
    'failed_precondition',
    'a tar is not written to a terminal',
    'Name a file (--output FILE; for cp a path), or send standard output to a file or program.',
  ),
  PRUNE_UNCONFIRMED: entry(
    'failed_precondition',
    'nothing was removed: nobody said yes',
    'Answer y, or use --force, which does not ask.',
  ),
  SKOPEO_MISSING: entry(
    'failed_precondition',
    '{image} is not in the store, and the program that gets images from registries is not installed: skopeo',
    'Install it (`apt-get install skopeo`), or give an archive with --image FILE; a command for the embedded busybox follows `--`: `kata-ts run -- CMD`.',
  ),
  CTR_MISSING: entry(
    'failed_precondition',
    '{image} is in containerd’s store, and the program that reads it is in none of these places: {places}',
    'Install it (`apt-get install containerd`), or write an archive where it is: `ctr images export FILE NAME`, then --image FILE.',
  ),
  CONTAINERD_UNREADABLE: entry(
    'failed_precondition',
    '{image} cannot be read from containerd: {reason}',
    '`ctr --namespace {namespace} images list` shows what is there; CONTAINERD_ADDRESS names another socket. Pull anew what has lost its layers (`discard_unpacked_layers` of containerd): `ctr images pull NAME`.',
  ),
  AUTH_FILE_INVALID: entry(
    'invalid_argument',
    'the credentials in {path} cannot be used: {reason}',
    'Make them with `skopeo login` or `docker login`, or name another file with --authfile.',
  ),
  PULL_UNKNOWN: entry(
    'not_found',
    'the registry has no image {image}: {reason}',
    'Check name and tag; a command for the embedded busybox follows `--`: `kata-ts run -- CMD`.',
  ),
  PULL_DENIED: entry(
    'permission_denied',
    'the registry does not hand out {image}: {reason}',
    'Check the name, or log in with `skopeo login REGISTRY` or `docker login REGISTRY`; --authfile names other credentials.',
  ),
  PULL_UNREACHABLE: entry(
    'unavailable',
    'the registry of {image} does not answer: {reason}',
    'Check the network, the proxy (HTTPS_PROXY) and mirrors in /etc/containers/registries.conf; without a network give an archive with --image FILE, or a command for the embedded busybox behind `--`: `kata-ts run -- CMD`.',
  ),
  PULL_TLS: entry(
    'failed_precondition',
    'the registry of {image} cannot prove who it is: {reason}',
    'Put its CA certificate into /etc/containers/certs.d/REGISTRY/ca.crt; --tls-verify=false takes any answer, also by plain HTTP, of whoever is in between.',
  ),
  PULL_FAILED: entry(
    'internal',
    '{image} cannot be pulled: {reason}',
    'The reason is of skopeo, which pulls images: its policy is /etc/containers/policy.json, its registries are /etc/containers/registries.conf.',
  ),
} satisfies Record<string, CatalogueEntry>
