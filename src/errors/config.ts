/** Configuration files, annotations, and keys that a VMM cannot support. */
import { entry } from './entry.ts'

export const configErrors = () => ({
  CONFIG_NOT_FOUND: entry(
    'not_found',
    'configuration file {path} does not exist',
    'Name an existing file, or omit the option to use the first of {searched}.',
  ),
  CONFIG_ENV_REFUSED: entry(
    'permission_denied',
    'KATA_CONF_FILE names {path}, which is not one of the installed configuration files',
    'Set it to one of {allowed}, or give the file with --config.',
  ),
  CONFIG_UNREADABLE: entry(
    'invalid_argument',
    'configuration file {path} cannot be read: {reason}',
    'Make it a readable UTF-8 text file of at most 1 MiB, or remove it; a config.d directory holds only such files.',
  ),
  CONFIG_UNSAFE: entry(
    'permission_denied',
    '{path} would be read together with configuration file {mainFile}, and {reason}',
    'Give it to root or to the owner of {mainFile}, and let nobody else write to it (`chmod go-w`). Or move {mainFile} into a directory of its own.',
  ),
  CONFIG_DROP_INS_ALONE: entry(
    'failed_precondition',
    '{directory} has drop-ins, but there is no {mainFile}, without which they have no effect',
    'Create {mainFile}, which may be {likeness}, or move them into the config.d beside the file that is used.',
  ),
  CONFIG_WRITABLE: entry(
    'permission_denied',
    'everybody can write to configuration file {path}, which can switch off every wall',
    'Check that it says what you want, and run `chmod o-w {path}`.',
  ),
  CONFIG_SYNTAX: entry(
    'invalid_argument',
    '{file}:{line}:{column}: not valid TOML: {reason}',
    'Correct that line; https://toml.io/en/v1.0.0 describes the format.',
  ),
  CONFIG_TABLE: entry(
    'invalid_argument',
    '{file}:{line}: {table} is not a configuration table',
    'Allowed here: {allowed}.',
  ),
  CONFIG_TYPE: entry(
    'invalid_argument',
    '{where}: {key} must be {expected}, not {got}',
    'Write {key} as {expected}; allowed: {allowed}.',
  ),
  CONFIG_VALUE: entry(
    'invalid_argument',
    '{where}: {key} does not allow the value {value}',
    'Allowed: {allowed}.',
  ),
  CONFIG_WALL_MISSPELLED: entry(
    'invalid_argument',
    '{where}: {name} is not a key; it resembles {key} in [{table}], which confines the VMM or a pod',
    'Write {key} in [{table}], or remove the line: it has no effect.',
  ),
  CONFIG_PATH_MISSPELLED: entry(
    'invalid_argument',
    'the options of this runtime in the configuration of containerd have {key}, and no ConfigPath',
    'Write ConfigPath, with the absolute path of a configuration file, or remove {key}: the shim reads no other option.',
  ),
  CONFIG_CONFLICT: entry('invalid_argument', '{where}: {reason}', '{hint}'),
  CONFIG_VMM_CANNOT: entry(
    'invalid_argument',
    '{where}: {asked} is not possible with {vmm}: {reason}',
    'Remove it, or use {possible}.',
  ),
  CONFIG_UNSUPPORTED: entry(
    'unimplemented',
    '{where}: {asked} cannot be granted: {reason}',
    'Remove it if pods may run without it. kata-ts starts nothing without a protection or limit that was asked for.',
  ),
  CONFIG_FILE_MISSING: entry(
    'not_found',
    '{key} names {path}, which {reason}',
    'Install it, or correct {key} in {source}.',
  ),
  ANNOTATION_NOT_ENABLED: entry(
    'permission_denied',
    'annotation {annotation} is not enabled',
    'Add "{key}" to enable_annotations in {source}, or remove the annotation from the pod.',
  ),
  ANNOTATION_PATH_REFUSED: entry(
    'permission_denied',
    'annotation {annotation}: {value} is not on the list {list}',
    'Add a pattern for it to {list} in {source}, or remove the annotation from the pod.',
  ),
  ANNOTATION_FILE_REFUSED: entry(
    'permission_denied',
    'annotation {annotation}: {value} is not a file that every user can read and only root can change',
    'Correct its mode or owner, or those of the directories above it, or name it in {source}.',
  ),
  ASSET_HASH_MISMATCH: entry(
    'failed_precondition',
    'the pod asks for a {asset} with SHA-512 {expected}, and {file} has {actual}',
    'Install the file that the pod expects, or correct the checksum in its annotation.',
  ),
  ANNOTATION_UNSUPPORTED: entry(
    'unimplemented',
    'annotation {annotation} cannot be granted: {reason}',
    'Remove it from the pod if the pod may run without it. No pod starts without a protection or limit that it asks for.',
  ),
  ANNOTATION_UNKNOWN: entry('invalid_argument', 'annotation {annotation} is not known', '{hint}'),
})
