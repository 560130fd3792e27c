//go:build mutate_procorder

package mutate

// PublishProcsFirst shows acknowledgements before the records that came with them.
const PublishProcsFirst = true
