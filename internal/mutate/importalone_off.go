//go:build !mutate_importalone

package mutate

// GroupImports lets imports, which tell procs where a topic begins, share a group with other commands.
const GroupImports = false
