//go:build mutate

package mutate

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// The rules of rules.go in the same order, each with its name in the environment.
var (
	SkipWALSync        = removed("walsync")
	SkipWALDirSync     = removed("waldirsync")
	SkipSegmentSync    = removed("segsync")
	SkipSegmentDirSync = removed("segdirsync")
	SkipSnapshotSync   = removed("snapsync")
	SkipStoreSync      = removed("storesync")
	ForgetSpareSync    = removed("sparesync")

	SkipFrameSum    = removed("framesum")
	SkipSeed        = removed("seed")
	SkipBodySum     = removed("bodysum")
	SkipBlockSum    = removed("blocksum")
	SkipFooterSum   = removed("footersum")
	SkipSnapshotSum = removed("snapsum")
	SkipStoreSum    = removed("storesum")

	PublishBeforeWAL  = removed("order")
	PublishProcsFirst = removed("procorder")
	SkipUndo          = removed("procundo")
	GroupImports      = removed("importalone")
	SkipOnce          = removed("once")
	SkipTurn          = removed("turn")
	SkipKeyCheck      = removed("keycheck")
	SkipRecycleRule   = removed("recycle")
	SkipSnapshotRoom  = removed("snaproom")
	SkipCovering      = removed("covering")
	SkipThinning      = removed("thinning")
	PoisonWhenFull    = removed("storefull")
	SkipUnmapped      = removed("unmapped")
	SkipGaps          = removed("gaps")
	SkipQuota         = removed("quota")
	RepairFirst       = removed("repairfirst")
	SkipPlain         = removed("plain")
	AllowLinks        = removed("links")
	BackupInside      = removed("inside")
	LetPanic          = removed("letpanic")
	KeepGone          = removed("keepgone")
	BelieveClock      = removed("believeclock")
	SkipRewrite       = removed("rewrite")

	SkipIsolation    = removed("isolation")
	SkipKept         = removed("kept")
	SkipIsolatedFlag = removed("isolatedflag")
	UnlinkFirst      = removed("unlinkfirst")
	GarbageFirst     = removed("garbagefirst")
	ForgetDead       = removed("forgetdead")

	SkipDirLock = removed("dirlock")
	SkipForeign = removed("foreign")
	SkipGone    = removed("gone")
	SkipPlace   = removed("place")

	SkipMark        = removed("mark")
	SkipLogFirst    = removed("logfirst")
	SkipStoreAge    = removed("storeage")
	SkipFrameChain  = removed("framechain")
	SkipSectionsSum = removed("sectionssum")
	SkipGrownDigest = removed("growndigest")
	SkipQuarantine  = removed("quarantine")

	SkipChunkHold = removed("chunk")
	SkipPin       = removed("pin")

	SkipOpenClaim     = removed("openclaim")
	SkipSeen          = removed("seen")
	SkipToken         = removed("token")
	SkipTokenEpoch    = removed("tokenepoch")
	TimerWithoutToken = removed("timertoken")
	SkipHeld          = removed("retryheld")
	SkipSpent         = removed("spent")

	SkipProcSnapshot = removed("procsnap")
	SkipProcReplay   = removed("procreplay")
	SkipGuard        = removed("gcguard")

	SkipExpect        = removed("expect")
	SkipAbort         = removed("abort")
	ForgetSyncFailure = removed("stickysync")

	SkipNewWALSync    = removed("newwalsync")
	SkipStoreFirst    = removed("storefirst")
	StoreCopiesAtOnce = removed("storecopies")
	OneSnapshot       = removed("twosnapshots")
	ForgetNewNames    = removed("newnames")
	SyncDataOnly      = removed("truncsync")
	SealUnflushed     = removed("sealflush")
	SkipPruneBound    = removed("prunebound")
	PruneTooMuch      = removed("prunesegment")

	KeepEpoch         = removed("epoch")
	KeepNames         = removed("lostnames")
	SkipInheritSync   = removed("inheritsync")
	SkipFileCheck     = removed("filecheck")
	SkipSnapshotMatch = removed("snapmatch")
	SkipDigest        = removed("digest")
	FirstBlockOnly    = removed("damageend")
	StopAtPruned      = removed("prunedread")

	SkipRepairList = removed("repairlist")
	SkipRepairGap  = removed("repairgap")
	SkipAside      = removed("repairaside")
	ReuseNumbers   = removed("repairnumbers")
	SkipClamp      = removed("repairclamp")
)

var (
	asked = strings.FieldsFunc(os.Getenv(Env), func(r rune) bool { return r == ',' })
	names []string // of all rules
)

// removed reports whether the environment names the rule. It is for the
// declarations above only, which make up the list of names.
func removed(name string) bool {
	names = append(names, name)
	return slices.Contains(asked, name)
}

// A misspelt name would remove nothing, and look like a rule that no test needs.
func init() {
	for _, name := range asked {
		if !slices.Contains(names, name) {
			fmt.Fprintf(os.Stderr, "%s: no rule has the name %q; the names are %s\n", Env, name, strings.Join(names, ", "))
			os.Exit(2)
		}
	}
}
