//go:build !mutate

package mutate

// What is synced.
const (
	// SkipWALSync leaves out the sync of WAL files.
	SkipWALSync = false
	// SkipWALDirSync leaves out the directory sync after a WAL file was created or renamed.
	SkipWALDirSync = false
	// SkipSegmentSync leaves out the sync of segment files at a checkpoint.
	SkipSegmentSync = false
	// SkipSegmentDirSync leaves out the directory sync after a segment file was created.
	SkipSegmentDirSync = false
	// SkipSnapshotSync leaves out the sync of a snapshot file.
	SkipSnapshotSync = false
	// SkipStoreSync leaves out the sync of the store file.
	SkipStoreSync = false
	// ForgetSpareSync lets a log go on after the failed sync of a spare file.
	ForgetSpareSync = false
)

// What checksums are checked, and what they cover.
const (
	// SkipFrameSum leaves out the check of WAL frame checksums.
	SkipFrameSum = false
	// SkipSeed leaves place and epoch out of WAL frame checksums and tags.
	SkipSeed = false
	// SkipBodySum leaves out the check of body checksums.
	SkipBodySum = false
	// SkipBlockSum leaves out the check of block header checksums.
	SkipBlockSum = false
	// SkipFooterSum leaves out the check of segment footer checksums.
	SkipFooterSum = false
	// SkipSnapshotSum leaves out the check of snapshot checksums.
	SkipSnapshotSum = false
	// SkipStoreSum leaves out the check of store file checksums.
	SkipStoreSum = false
)

// The order of commits and checkpoints, and what an open believes.
const (
	// PublishBeforeWAL applies, publishes and acknowledges commands before the WAL has them.
	PublishBeforeWAL = false
	// PublishProcsFirst shows acknowledgements before the records that came with them.
	PublishProcsFirst = false
	// SkipUndo leaves the acknowledgement of a batch that failed.
	SkipUndo = false
	// GroupImports lets imports, which tell procs where a topic begins, share a group with other commands.
	GroupImports = false
	// SkipOnce applies a resent command again.
	SkipOnce = false
	// SkipTurn stages the commands of a client as they are ready.
	SkipTurn = false
	// SkipKeyCheck stages keys that no replay accepts.
	SkipKeyCheck = false
	// SkipRecycleRule recycles WAL files before the checkpoint that covers them is durable.
	SkipRecycleRule = false
	// SkipSnapshotRoom makes topics without room for them in the next snapshot.
	SkipSnapshotRoom = false
	// SkipCovering has a log that a checkpoint covers, without another one being
	// open, still be the one that counts.
	SkipCovering = false
	// SkipThinning lets each start that is killed add a file to the log.
	SkipThinning = false
	// PoisonWhenFull takes a STORE that there is no room for as a failed sync.
	PoisonWhenFull = false
	// SkipUnmapped fails where a file of a mapped log cannot be mapped.
	SkipUnmapped = false
	// SkipGaps asks for blocks that a file has already.
	SkipGaps = false
	// SkipQuota takes a quota that is used up for a fault.
	SkipQuota = false
	// RepairFirst has a repair make STORE anew before the checkpoint that it names.
	RepairFirst = false
	// SkipPlain fails a commit whose store to a mapped log faults, and does not write it.
	SkipPlain = false
	// AllowLinks writes to files that have another name.
	AllowLinks = false
	// BackupInside makes a backup in the store itself.
	BackupInside = false
	// LetPanic lets a panic of what the caller handed in go on.
	LetPanic = false
	// KeepGone takes a spare of the log that is gone since it was listed for an error.
	KeepGone = false
	// BelieveClock takes each reading of the clock for the time.
	BelieveClock = false
	// SkipRewrite has an open take the log's pages for what is on disk, although a sync
	// of them has failed.
	SkipRewrite = false
)

// One topic's damage is its own.
const (
	// SkipIsolation has one topic's file that cannot be used fail the checkpoint.
	SkipIsolation = false
	// SkipKept leaves what such a file lacks out of the snapshot.
	SkipKept = false
	// SkipIsolatedFlag leaves the feature flag of kept blocks out of STORE.
	SkipIsolatedFlag = false
	// UnlinkFirst removes pruned segment files before STORE says that they are pruned.
	UnlinkFirst = false
	// GarbageFirst removes files that a replay found to be garbage before its log is durable.
	GarbageFirst = false
	// ForgetDead has a checkpoint that fails forget the files that it was to remove.
	ForgetDead = false
)

// Whose directory it is.
const (
	// SkipDirLock locks the file LOCK only.
	SkipDirLock = false
	// SkipForeign makes a store in a directory that has files of something else.
	SkipForeign = false
	// SkipGone acknowledges what was synced to a file that has no name any more.
	SkipGone = false
	// SkipPlace does not look whether the files of an open node are still there.
	SkipPlace = false
)

// What else than the log says how far the log goes.
const (
	// SkipMark believes nothing of the log's mark.
	SkipMark = false
	// SkipLogFirst does not ask for the file with which STORE says that the log began.
	SkipLogFirst = false
	// SkipStoreAge takes an older copy of STORE for the newest.
	SkipStoreAge = false
	// SkipFrameChain does not compare the last frame of a WAL file with what the next one says.
	SkipFrameChain = false
	// SkipSectionsSum does not ask whether a snapshot has the sections that it was written with.
	SkipSectionsSum = false
	// SkipGrownDigest does not compare the file of a growing segment with the snapshot's digest.
	SkipGrownDigest = false
	// SkipQuarantine keeps no bytes of torn frames.
	SkipQuarantine = false
)

// What readers of tails hold.
const (
	// SkipChunkHold lets readers look at chunks of tails without holding them.
	SkipChunkHold = false
	// SkipPin lets tails be written to their files that a checkpoint is about to carry.
	SkipPin = false
)

// Claims, and what ends them.
const (
	// SkipOpenClaim gives a claim although one is open.
	SkipOpenClaim = false
	// SkipSeen takes a claim that was proposed for a state that is gone.
	SkipSeen = false
	// SkipToken lets an acknowledgement reach a claim that is not its own.
	SkipToken = false
	// SkipTokenEpoch leaves out of a token which opening of the store gave it.
	SkipTokenEpoch = false
	// TimerWithoutToken has a timeout take back whatever claim is open when it gets to it.
	TimerWithoutToken = false
	// SkipHeld lets records be claimed before the wait for their retry was set up.
	SkipHeld = false
	// SkipSpent dead-letters a claim without another look at how often it may fail.
	SkipSpent = false
)

// What of procs is kept, and what they keep.
const (
	// SkipProcSnapshot leaves procs out of snapshots.
	SkipProcSnapshot = false
	// SkipProcReplay replays nothing of what procs did.
	SkipProcReplay = false
	// SkipGuard prunes by a mark that was decided before a proc was created.
	SkipGuard = false
)

// Commits: what is checked, and what a failure leaves.
const (
	// SkipExpect takes a batch whatever sequence it expects its topics to be at.
	SkipExpect = false
	// SkipAbort leaves what was staged for a command that did not get into the log.
	SkipAbort = false
	// ForgetSyncFailure goes on with a log after one of its syncs has failed.
	ForgetSyncFailure = false
)

// Checkpoints, seals and prunes: what is durable before what.
const (
	// SkipNewWALSync leaves out the sync of the log file that STORE is about to name.
	SkipNewWALSync = false
	// SkipStoreFirst overwrites a copy of STORE before the other one is known to be durable.
	SkipStoreFirst = false
	// StoreCopiesAtOnce writes both copies of STORE before a sync.
	StoreCopiesAtOnce = false
	// OneSnapshot writes each snapshot over the one that counts.
	OneSnapshot = false
	// ForgetNewNames forgets that a checkpoint that failed has made files.
	ForgetNewNames = false
	// SyncDataOnly syncs the data of a segment file that was cut, and not its size.
	SyncDataOnly = false
	// SealUnflushed seals segments whose last blocks are in memory only.
	SealUnflushed = false
	// SkipPruneBound lets a topic be pruned beyond its end.
	SkipPruneBound = false
	// PruneTooMuch drops the segment in which a prune ends, too.
	PruneTooMuch = false
)

// Recovery and verification: what is checked, and what is kept.
const (
	// KeepEpoch opens a store in the epoch that it had.
	KeepEpoch = false
	// KeepNames takes names for durable although a sync of their directory has failed.
	KeepNames = false
	// SkipInheritSync leaves out the sync of the log files that an open has replayed.
	SkipInheritSync = false
	// SkipFileCheck leaves out the look for missing and short segment files.
	SkipFileCheck = false
	// SkipSnapshotMatch takes any snapshot of the store for the one that STORE names.
	SkipSnapshotMatch = false
	// SkipDigest leaves out of a verification whether a segment file is the one that the
	// state knows.
	SkipDigest = false
	// FirstBlockOnly takes damage up to the end of a file for that of its first block.
	FirstBlockOnly = false
	// StopAtPruned ends a search at damage in blocks that nobody asked for.
	StopAtPruned = false
)

// Repair.
const (
	// SkipRepairList says nothing of what a repair drops.
	SkipRepairList = false
	// SkipRepairGap leaves no gap where a repair lost records.
	SkipRepairGap = false
	// SkipAside removes damaged files instead of keeping them in quarantine.
	SkipAside = false
	// ReuseNumbers lets a repair write to files that are there.
	ReuseNumbers = false
	// SkipClamp leaves procs beyond the end of topics that a repair made shorter.
	SkipClamp = false
)
