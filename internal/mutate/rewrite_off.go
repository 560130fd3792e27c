//go:build !mutate_rewrite

package mutate

// SkipRewrite has an open take the log's pages for what is on disk, although a sync
// of them has failed.
const SkipRewrite = false
