package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/failover/approval"
	"lifeboat/failover/budget"
	"lifeboat/failover/cluster"
	"lifeboat/failover/incident"
	"lifeboat/failover/incident/record"
	"lifeboat/failover/incident/report"
	"lifeboat/failover/kit"
	"lifeboat/failover/preflight"
	"lifeboat/failover/provision"
	runs "lifeboat/failover/run"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/sealed"
	"lifeboat/internal/codebackup"
	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/internal/drill"
	"lifeboat/internal/drill/embedded"
	"lifeboat/internal/lease"
	"lifeboat/internal/readiness"
	"lifeboat/internal/signers"
	"lifeboat/restore"
)

// exit is one way for lifeboat to end.
type exit struct {
	code    int
	name    string
	meaning string
	errs    []error // that end so, by errors.Is
}

// Ends that have no sentinel of their own elsewhere.
var (
	errUsage   = errors.New("usage")
	errRefused = errors.New("refused")
	errDamage  = errors.New("damage was found")
	errOpen    = errors.New("cannot be opened")
)

// exits is the one table of exit codes; help and README repeat it, tests compare. The
// first row with a matching error counts, so what is more telling stands first.
var exits = []exit{
	{0, "ok", "it was done; for a proof: it holds", nil},
	{130, "interrupted", "stopped by a signal; whatever was begun can be run again", []error{context.Canceled}},
	{2, "usage", "the command line or lifeboat.yaml is wrong; nothing was done", []error{errUsage, config.ErrInvalid, errOpen, embedded.ErrSource}},
	{9, "newer", "something was written by a newer release of lifeboat; use that one", []error{
		config.ErrNewer, codebackup.ErrNewer, eventlog.ErrNewerVersion, record.ErrNewerFormat, report.ErrNewerFormat, failover.ErrNewerFormat, budget.ErrNewerFormat, kit.ErrNewer, readiness.ErrNewerFormat, approval.ErrNewerFormat, runs.ErrNewerFormat}},
	{23, "tampered", "the plan or a signature is not what was made; nothing was done", []error{failover.ErrTampered, approval.ErrTampered}},
	{24, "plan expired", "the plan is past its end; plan again", []error{failover.ErrExpired}},
	{20, "unsigned", "nobody has signed the plan", []error{failover.ErrUnsigned}},
	{22, "wrong signer", "a signature's key is unknown, retired, or another person's", []error{approval.ErrSigner}},
	{25, "approval expired", "a signature that is needed is past its end; sign again", []error{approval.ErrExpired, approval.ErrNotYet}},
	{21, "too few", "not enough of the right people have signed the plan", []error{approval.ErrTooFew, approval.ErrSubject}},
	{26, "stale", "the mirror is behind the loss by more than the limit", []error{failover.ErrStale}},
	{27, "moved", "the mirror's log is not where it was when the plan was made", []error{failover.ErrMoved}},
	{28, "code changed", "the code is another than the plan's", []error{failover.ErrCode}},
	{29, "config changed", "settings, images, database or lifeboat.yaml are others than the plan's", []error{failover.ErrConfig}},
	{30, "keys changed", "the mirror's objects are under another root key than the plan's", []error{failover.ErrKeys}},
	{31, "quorum changed", "who may approve is not as it was when the plan was made", []error{failover.ErrQuorum}},
	{32, "no quota", "the DR region has no room for the stack", []error{failover.ErrQuota}},
	{33, "superseded", "another operator has taken the run over; this one changed nothing more", []error{runs.ErrSuperseded}},
	{34, "alive", "the run, or the update of its stack, may still be going on elsewhere", []error{runs.ErrAlive, provision.ErrLocked}},
	{35, "busy", "another failover or failback is under way; it has to finish or be abandoned first", []error{runs.ErrBusy}},
	{36, "left behind", "a teardown left something in the cloud, which goes on costing", []error{provision.ErrLeft}},
	{5, "fenced", "the log has been taken over, or another writer is at work", []error{eventlog.ErrFenced, database.ErrFenced, lease.ErrLost}},
	{8, "lost", "a drill did not prove what it set out to prove", []error{drill.ErrNotProven}},
	{7, "damaged", "an object is corrupt, cut short or missing, or a hash differs", []error{
		errDamage, runs.ErrCorrupt, runs.ErrTruncated, failover.ErrCorrupt, failover.ErrTruncated, budget.ErrCorrupt, kit.ErrDamaged, codebackup.ErrDamaged, record.ErrCorrupt, record.ErrForged, report.ErrAltered, report.ErrNotReport, readiness.ErrCorrupt,
		restore.ErrMismatch, restore.ErrInconsistent, eventlog.ErrCorrupt, eventlog.ErrTruncated,
		eventlog.ErrDiverged, eventlog.ErrOtherStream}},
	{6, "not restorable", "the store does not prove that point; the message names the nearest that it does", []error{
		restore.ErrOutsideWindow, restore.ErrNoSnapshot, eventlog.ErrGap}},
	{4, "not durable", "not held by both regions (yet)", []error{eventlog.ErrNotDurable, eventlog.ErrDegraded}},
	{3, "refused", "refused before anything was changed", []error{
		errRefused, runs.ErrRefused, runs.ErrRunExists, runs.ErrOver, runs.ErrNoRun, provision.ErrNoCLI, failover.ErrNoPlan, kit.ErrNone, kit.ErrNotEmpty, sealed.ErrSealedStore, codebackup.ErrRepository, codebackup.ErrNotEmpty, incident.ErrOrder, incident.ErrEntry, incident.ErrNoIncident, signers.ErrNoKey, signers.ErrUnknownKey, signers.ErrKeyTime,
		approval.ErrStatement, database.ErrUnsupported, database.ErrNotInstalled, database.ErrNotEmpty, blob.ErrName, syscall.EADDRINUSE}},
	{37, "not ready", "preflight found something that a failover would fail on; each with its fix", []error{preflight.ErrNotReady}},
	{38, "readiness unknown", "preflight could not ask everything; nothing is known to be wrong", []error{preflight.ErrUnknown}},
	{10, "policy", "a rule that guards recovery is not met", []error{errPolicy}},
	{11, "policy warning", "a rule is unknown before the update, or one that only warns is not met", []error{errPolicyWarning}},
	{1, "failed", "it failed for another reason; the message says which", nil},
}

// codeOf finds the row for an error.
func codeOf(err error) exit {
	if err == nil {
		return exits[0]
	}
	// What a pod of this very command found is what was found.
	if pod := (*cluster.Failure)(nil); errors.As(err, &pod) {
		for _, e := range exits {
			if e.code == pod.Code && slices.Contains(permanent(), int32(e.code)) {
				return e
			}
		}
	}
	for _, e := range exits {
		for _, target := range e.errs {
			if errors.Is(err, target) {
				return e
			}
		}
	}
	return exits[len(exits)-1]
}

// hints say what to do about an error, for those whose message cannot know it.
var hints = []struct {
	err  error
	hint string
}{
	{config.ErrNewer, "upgrade lifeboat on this machine"},
	{config.ErrInvalid, "docs/configuration.md describes every key; 'lifeboat init' writes a file that is valid"},
	{sealed.ErrSealedStore, "write the section encryption into the configuration, with a key that opens the store"},
	{database.ErrNotInstalled, "run 'lifeboat capture install' (with --dry-run first, to see what it does)"},
	{database.ErrNotEmpty, "name a database that does not exist yet; lifeboat never overwrites one"},
	{database.ErrUnsupported, "nothing was changed; change what is named, then run the command again"},
	{eventlog.ErrFenced, "this side must not be written to any more; the log goes on where 'lifeboat takeover' was run"},
	{lease.ErrLost, "start it again with --standby: the agent that has taken over is at work"},
	{eventlog.ErrNewerVersion, "upgrade lifeboat on this machine"},
	{eventlog.ErrOtherStream, "the two stores belong to different databases; check both URLs"},
	{eventlog.ErrDiverged, "do not delete anything; 'lifeboat log verify' on each store shows where they part"},
	{restore.ErrNoSnapshot, "take one with 'lifeboat snapshot take', or check the store's URL"},
	{restore.ErrOutsideWindow, "'lifeboat status' shows what can be restored"},
	{restore.ErrMismatch, "the restored database must not be used; run 'lifeboat log verify' and 'lifeboat snapshot verify', then restore to another point"},
	{signers.ErrUnknownKey, "have your public key added to the allowed_signers file that committee.yaml names"},
	{report.ErrAltered, "do not rely on this copy; make the report again, or take the copy that the record keeps"},
	{eventlog.ErrNotDurable, "the commit is in the primary's database; look at the mirror's store and its link, then ask again"},
	{eventlog.ErrDegraded, "the mirror cannot be reached; what is committed now exists in one region only"},
	{errDamage, "nothing was repaired; the other region's store may hold the same objects whole: 'lifeboat mirror repair' fetches them"},
	{eventlog.ErrCorrupt, whatIsLeft},
	{eventlog.ErrTruncated, whatIsLeft},
	{eventlog.ErrGap, whatIsLeft},
	{errPolicy, "'lifeboat policy explain RULE' says why it is asked for and how to meet it"},
	{errPolicyWarning, "'lifeboat policy explain RULE' says why it is asked for and how to meet it"},
	{context.DeadlineExceeded, "allow more time, or look at what does not answer"},
}

// whatIsLeft is for objects of the log or of a snapshot that are damaged or missing.
const whatIsLeft = "'lifeboat log verify' and 'lifeboat snapshot verify' name what is lost and what is still provable; 'lifeboat mirror repair' fetches objects that the other region has whole"

// advised is an error whose advice depends on what was being done: it goes before the
// hints for its kind.
type advised struct {
	error
	advice string
}

// Unwrap makes errors.Is see through it.
func (e advised) Unwrap() error { return e.error }

// denied is err, refused where a store did not let this identity write, or make the store:
// for what writes to a store before it does anything else.
func denied(err error) error {
	if errors.Is(err, blob.ErrPermanent) || errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return err
}

func hintFor(err error) string {
	if known := (advised{}); errors.As(err, &known) {
		return known.advice
	}
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}

// exitCodesHelp is the table as help shows it, by code.
func exitCodesHelp() string {
	var b strings.Builder
	for code := range 256 {
		for _, e := range exits {
			if e.code == code {
				fmt.Fprintf(&b, "  %3d  %-15s %s\n", e.code, e.name, e.meaning)
			}
		}
	}
	return b.String()
}
