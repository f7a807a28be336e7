/**
 * Imported by a test file that changes or looks at the host as a whole without the rest of this folder. Files that import anything of it are run one by one;
 * others two at a time (setup/gate/test-files.ts).
 */
export {}
