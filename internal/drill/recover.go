package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/workload"
	"lifeboat/restore"
)

// takeover ends the old writer's reign. From here on the mirror is all there is; only
// after the death of the agent alone can the primary's store still be read.
func (s *scene) takeover(ctx context.Context) error {
	var old blob.Store
	if s.cfg.Lose == AgentKill {
		old = s.cfg.Primary.Store
		// The application is still there and must not go on writing to a database that
		// nobody protects any more.
		if err := s.source.Fence(ctx, "the drill moved the log to the other region"); err != nil {
			return fmt.Errorf("fence the old database: %w", err)
		}
		s.fencedAt = s.cfg.Clock()
		s.record.Lose(s.fencedAt)
	}
	r, err := eventlog.Takeover(ctx, eventlog.TakeoverConfig{
		DR: s.cfg.Mirror.Store, Old: old, Reason: "drill: lost " + string(s.cfg.Lose), Log: s.cfg.Log, Clock: s.cfg.Clock,
	})
	if err != nil {
		return err
	}
	for _, o := range r.Orphans {
		s.result.Orphans += o.Transactions()
	}
	for _, c := range r.Copied {
		s.copied += c.Transactions()
	}
	return nil
}

// plan finds out from the mirror alone what can be restored.
func (s *scene) plan(ctx context.Context) error {
	p, _, err := restore.Prepare(ctx, s.cfg.Mirror.Store, restore.Latest())
	if err != nil {
		return err
	}
	s.restorePlan, s.result.TargetSeq = p, uint64(p.Point.Seq)
	for _, seg := range p.Segments {
		s.result.LogBytes += seg.Size
	}
	for _, snap := range p.Snapshots {
		s.result.SnapshotBytes += snap.Size()
	}
	return nil
}

// restore fills the standby from the mirror, and compares it with what the log says.
func (s *scene) restore(ctx context.Context) (err error) {
	target, err := s.standby.Target(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	r, err := restore.Run(ctx, restore.Config{
		Store: s.cfg.Mirror.Store, Memory: s.cfg.Memory, TempDir: s.cfg.Dir, Log: s.cfg.Log, Clock: s.cfg.Clock,
	}, s.restorePlan, target)
	if r != nil {
		for _, t := range r.Tables {
			s.result.Tables = append(s.result.Tables, Table{t.Name, t.Rows, t.State, t.Expected})
		}
		s.splitSteps(r.Steps)
	}
	if errors.Is(err, restore.ErrMismatch) {
		return nil // the tables say so, and the report must
	}
	return err
}

// splitSteps lists the restore's own steps. They are timed by the restore; verifying may
// overlap with what comes before.
func (s *scene) splitSteps(steps []restore.Step) {
	began := s.cfg.Clock()
	for _, st := range steps {
		began = began.Add(-toDuration(st.Seconds))
	}
	for _, st := range steps {
		took := toDuration(st.Seconds)
		s.result.Steps = append(s.result.Steps, Step{"restore: " + st.Name, began, took, true})
		began = began.Add(took)
	}
}

func toDuration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// prove compares what was restored with what the writers know, and sums up every claim of
// the scenario. It is not part of the recovery: nobody has such records in earnest.
func (s *scene) prove(ctx context.Context) (err error) {
	inLog, err := s.transactionsInLog(ctx)
	if err != nil {
		return err
	}
	db, dialect, err := s.standby.App(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	model, err := dialect.Describe(ctx, db)
	if err != nil {
		return err
	}
	v, err := s.record.Check(ctx, db, dialect, model, func(id string) bool { return inLog[id] })
	if err != nil {
		return err
	}
	s.result.Verdict = *v
	if !v.FirstLost.IsZero() {
		s.result.RPO = max(0, s.lastWrite().Sub(v.FirstLost))
	}
	s.claim("Every acknowledged transaction is in the restored database",
		"the writers' own record, kept outside the lost region, against the transactions of the mirror's log",
		v.AcknowledgedLost == 0 && v.Acknowledged > 0, fmt.Sprintf("%d acknowledged, %d lost", v.Acknowledged, v.AcknowledgedLost))
	s.claim("Every row that a writer touched is as the last surviving transaction left it",
		"each row read back by key and compared, byte for byte and type for type, with what its writer had read in its transaction",
		v.Wrong == 0 && v.Rows+v.Unchecked > 0, rowsFound(v.Rows, v.Wrong, v.Unchecked))
	different := 0
	var rows int64
	for _, t := range s.result.Tables {
		rows += t.Rows
		if !t.Match() {
			different++
		}
	}
	s.claim("Every table is exactly what snapshot and log say, rows that nobody touched included",
		"a scan of the restored database, hashed row by row, against base state + changes of the log",
		different == 0 && len(s.result.Tables) > 0, fmt.Sprintf("%d tables, %d rows, %d tables different", len(s.result.Tables), rows, different))
	check := s.standby.Check(ctx)
	found := "sound"
	if check != nil {
		found = check.Error()
	}
	s.claim("The restored database is sound", "the engine's own integrity check", check == nil, found)
	s.claimMirrorAlone()
	s.claimCut()
	return s.claimFence(ctx)
}

// lastWrite is when the application could write no more.
func (s *scene) lastWrite() time.Time {
	if s.cfg.Lose == AgentKill {
		return s.fencedAt
	}
	return s.lossAt
}

func rowsFound(rows, wrong, unchecked int) string {
	text := fmt.Sprintf("%d rows compared, %d different", rows, wrong)
	if unchecked > 0 {
		text += fmt.Sprintf("; %d rows of tables that the application's triggers write to are proven by hash only", unchecked)
	}
	return text
}

func (s *scene) claim(what, how string, holds bool, found string) {
	s.result.Proofs = append(s.result.Proofs, Proof{what, how, holds, found})
}

// transactionsInLog reads the ids of the transactions that were restored.
func (s *scene) transactionsInLog(ctx context.Context) (map[string]bool, error) {
	ids := map[string]bool{}
	for seg, err := range eventlog.OpenLog(s.cfg.Mirror.Store).Segments(ctx, s.base) {
		if err != nil {
			return nil, err
		}
		for e, err := range seg.Events() {
			if err != nil {
				return nil, err
			}
			if e.Tx != nil && uint64(e.Seq) <= s.result.TargetSeq {
				ids[e.Tx.TxID] = true
			}
		}
	}
	return ids, nil
}

func (s *scene) claimMirrorAlone() {
	how := "the primary's database and store were destroyed at the loss; the restore was given the mirror's store and nothing else"
	found := fmt.Sprintf("%d bytes of snapshot, %d of log", s.result.SnapshotBytes, s.result.LogBytes)
	if s.cfg.Lose == AgentKill {
		how = "the agent was killed by SIGKILL; takeover read the primary's store, the restore was given the mirror's and nothing else"
		found += fmt.Sprintf("; takeover saved %d transactions from the primary's store", s.copied)
	}
	s.claim("It was restored from the mirror alone", how, true, found)
}

// claimCut is about what happened while the mirror's link was cut.
func (s *scene) claimCut() {
	if s.cfg.Lose != MirrorLink {
		return
	}
	during := s.cutTo.Acknowledged - s.cutFrom.Acknowledged
	after := s.record.Counts().Acknowledged - s.cutTo.Acknowledged
	s.claim("Nothing was acknowledged while the mirror could not be reached, and everything went on when it was back",
		"the writers' record between the cut and the healing",
		during == 0 && s.cutTo.Committed > 0 && after > 0,
		fmt.Sprintf("%d acknowledged during the cut, %d commits waited, %d acknowledged after it", during, s.cutTo.Committed-s.cutTo.Acknowledged, after))
}

// claimFence brings the old agent back, where that can be done, and expects it to be
// turned away; and an application that did not notice, to be refused by its database.
func (s *scene) claimFence(ctx context.Context) error {
	if s.cfg.Lose != AgentKill {
		return nil
	}
	c, err := s.spawn(ctx)
	if err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, fenceWait)
	defer cancel()
	refused := false
	select {
	case <-c.ended:
		refused = c.cmd.ProcessState.ExitCode() == s.cfg.FencedExit
	case <-wait.Done():
	}
	if err := c.Kill(); err != nil {
		return err
	}
	s.claim("The old agent cannot be acknowledged any more", "it was started again after the takeover",
		refused, fmt.Sprintf("it ended with exit code %d", c.cmd.ProcessState.ExitCode()))
	return s.claimOldDatabase(ctx)
}

func (s *scene) claimOldDatabase(ctx context.Context) error {
	record := workload.NewRecord(nil)
	err := workload.Run(ctx, workload.Config{
		DB: s.app, Dialect: s.dialect, Writers: 1, Seed: s.cfg.Seed, Record: record, Clock: s.cfg.Clock,
		Ack: func(context.Context) error { return nil }, Fruitless: enoughRefusals,
	})
	refused := errors.Is(err, workload.ErrNothingToChange)
	if err != nil && !refused {
		return err
	}
	s.claim("The old database refuses writes", "an application that did not notice the takeover went on writing",
		refused && record.Counts().Committed == 0, fmt.Sprintf("%d of its transactions were committed", record.Counts().Committed))
	return nil
}

// enoughRefusals is how many transactions in a row the old database must turn away.
const enoughRefusals = 50

// fenceWait is how long an agent that must be turned away may take to notice.
const fenceWait = time.Minute
