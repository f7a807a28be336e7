/** Images of containers: their names, the store, and what brings them there. */
import { entry } from './entry.ts'

export const imagesErrors = () => ({
  IMAGE_NAME_INVALID: entry(
    'invalid_argument',
    '{"name"} is not the name of an image: {reason}',
    'Write NAME, NAME:TAG, NAME@sha256:DIGEST or REGISTRY/NAME:TAG; a command for the embedded busybox follows `--`: `kata-ts run -- CMD`.',
  ),
  IMAGE_NOT_STORED: entry(
    'not_found',
    'there is no image {"name"} in the store',
    'See `kata-ts images` for the stored images, or pull it with `kata-ts pull`.',
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
    'If the reason names an image, remove that one with `kata-ts rmi` and pull it again; otherwise remove the whole directory. Containers keep their files, which are elsewhere.',
  ),
  IMAGE_STORE_FULL: entry(
    'resource_exhausted',
    'images take {used} MiB, and with {image} they would exceed the limit of {limit} MiB',
    'Remove unused images with `kata-ts prune`, or raise image_store_limit in [runtime] of the configuration (0: no limit).',
  ),
  IMAGE_NAMES_TOO_MANY: entry(
    'resource_exhausted',
    'the index of the image store would be longer than is read of it, with {count} names',
    'Remove names that nobody needs: `kata-ts images` lists them, `kata-ts rmi NAME` removes one.',
  ),
  IMAGE_STORE_BUSY: entry(
    'unavailable',
    'another command has locked the image store {path} for more than {seconds} s',
    'Wait for it and try again: `ps` shows a `kata-ts pull`, `rmi` or `prune`.',
  ),
  FILES_ELSEWHERE: entry(
    'failed_precondition',
    'the files that container {name} writes are on a disk of its machine, which the host does not read',
    'Copy them out while it runs: `kata-ts cp NAME:/ -` writes a tar of them.',
  ),
  FILES_UNREADABLE: entry(
    'failed_precondition',
    'the files of container {name} cannot be read: {reason}',
    'See the reason. The output so far is incomplete.',
  ),
  FILES_NOT_FOR_IMAGE: entry(
    'failed_precondition',
    'no image can be made of the files of container {name}: {reason}',
    'Rename or remove that file, or use `kata-ts export`, whose tar may have such names.',
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
    'standard output is a terminal, and a tar archive would garble it',
    'Name a file (--output FILE; with cp, a path), or redirect standard output to a file or program.',
  ),
  PRUNE_UNCONFIRMED: entry(
    'failed_precondition',
    'nothing was removed: the question was not answered with y',
    'Answer y, or use --force, which does not ask.',
  ),
  SKOPEO_MISSING: entry(
    'failed_precondition',
    '{image} is not in the store, and skopeo, which pulls images from registries, is not installed',
    'Install it (`apt-get install skopeo`), or give an archive with --image FILE; a command for the embedded busybox follows `--`: `kata-ts run -- CMD`.',
  ),
  DECOMPRESSOR_MISSING: entry(
    'failed_precondition',
    'the image is compressed, and {program}, which decompresses it, is not installed',
    'Install it (`apt-get install {program}`), or decompress the image where it is installed.',
  ),
  CTR_MISSING: entry(
    'failed_precondition',
    '{image} names containerd’s store, and ctr, which reads it, is in none of these places: {places}',
    'Install ctr (`apt-get install containerd`), or export the image where ctr is installed (`ctr images export FILE NAME`) and use --image FILE.',
  ),
  CONTAINERD_UNREADABLE: entry(
    'failed_precondition',
    '{image} cannot be read from containerd: {reason}',
    'See `ctr --namespace {namespace} images list` for the images; CONTAINERD_ADDRESS names another socket. If containerd discarded the layers (`discard_unpacked_layers`), pull the image again: `ctr images pull NAME`.',
  ),
  AUTH_FILE_INVALID: entry(
    'invalid_argument',
    'the credentials in {path} cannot be used: {reason}',
    'Write it with `skopeo login` or `docker login`, or name another file with --authfile.',
  ),
  PULL_UNKNOWN: entry(
    'not_found',
    'the registry has no image {image}: {reason}',
    'Check name and tag; a command for the embedded busybox follows `--`: `kata-ts run -- CMD`.',
  ),
  PULL_DENIED: entry(
    'permission_denied',
    'the registry denies access to {image}: {reason}',
    'Check the name, or log in with `skopeo login REGISTRY` or `docker login REGISTRY`; --authfile names other credentials.',
  ),
  PULL_UNREACHABLE: entry(
    'unavailable',
    'the registry of {image} does not answer: {reason}',
    'Check the network, the proxy (HTTPS_PROXY) and mirrors in /etc/containers/registries.conf. Without a network, use an archive (--image FILE) or the embedded busybox (`kata-ts run -- CMD`).',
  ),
  PULL_TLS: entry(
    'failed_precondition',
    'the certificate of the registry of {image} cannot be verified: {reason}',
    'Put its CA certificate into /etc/containers/certs.d/REGISTRY/ca.crt. --tls-verify=false skips the check and allows plain HTTP: anyone between you and the registry can then send you another image.',
  ),
  IMAGE_READER_LEFT: entry(
    'failed_precondition',
    'the program that read the image runs as user {uid}, and processes of that user cannot be ended; nothing of what it read is used',
    'See what they wait for (`ps -u UID -o pid,stat,wchan,args`), usually a disk or network file system that does not answer; once they are gone, try again.',
  ),
  PULL_FAILED: entry(
    'internal',
    '{image} cannot be pulled: {reason}',
    'The reason comes from skopeo, which pulls images. It reads /etc/containers/policy.json and /etc/containers/registries.conf.',
  ),
})
