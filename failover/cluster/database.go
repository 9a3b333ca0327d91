package cluster

import (
	"context"
	"fmt"
	"sync"

	"lifeboat/eventlog"
	"lifeboat/failover/run"
	"lifeboat/internal/blob"
	"lifeboat/restore"
)

// Database restores and arms a place's database from inside its network. It implements
// run.Database; what touches no database it leaves to the one that it embeds.
type Database struct {
	run.Database
	// DR is the store that a restore reads, and by which its proof is judged here.
	DR blob.Store
	// Open connects to the cluster of a place.
	Open func(ctx context.Context, at run.Place) (*Cluster, error)
	// Shards is over how many pods the load is divided; 0 and 1: one pod does everything.
	Shards int
	// Memory is what each pod's restore may use, bytes.
	Memory int64

	mu     sync.Mutex
	logged string // the database that was logged in to last
}

var _ run.Database = (*Database)(nil)

// Restore implements run.Database. What is loaded is recorded in the database itself, by
// whichever pod; so every attempt goes on where the last one was, and one that finds
// everything there only verifies.
func (d *Database) Restore(ctx context.Context, at run.Place, seq eventlog.Seq, say func(string)) (out run.Restored, err error) {
	plan, _, err := restore.Prepare(ctx, d.DR, restore.AtSeq(seq))
	if err != nil {
		return out, err
	}
	tables, err := restore.Foresee(ctx, d.DR, plan)
	if err != nil {
		return out, err
	}
	c, err := d.Open(ctx, at)
	if err != nil {
		return out, err
	}
	whole := d.restoreTask(plan, at)
	if d.Shards > 1 {
		done, err := c.Done(ctx, whole)
		if err != nil {
			return out, err
		}
		if !done { // the restore loads what is missing: nothing depends on this but time
			if _, err := c.Do(ctx, d.loadTask(plan, at), say); err != nil {
				return out, err
			}
		}
	}
	proof, err := d.proof(ctx, c, whole, say)
	if err != nil {
		return out, err
	}
	if tables, err = proof.Judge(plan, tables); err != nil {
		return out, err
	}
	out = run.Restored{PlanID: proof.PlanID, Where: c.where(d.Shards), Seq: plan.Point.Seq, Time: plan.Point.Time, Rows: proof.Rows, Seconds: map[string]float64{}}
	for _, t := range tables {
		out.Tables = append(out.Tables, run.TableProof{Name: t.Name, Rows: t.Rows, Expected: t.Expected.String(), Actual: t.State.String()})
	}
	for _, s := range proof.Steps {
		out.Seconds[s.Name] = s.Seconds
	}
	return out, nil
}

// short is as much of a restore plan's id as names need.
const short = 8

func (d *Database) restoreTask(plan *restore.Plan, at run.Place) Task {
	return Task{Name: "restore-" + plan.ID[:short], Args: append(d.restoreArgs(plan, at), "--proof", Proof)}
}

func (d *Database) restoreArgs(plan *restore.Plan, at run.Place) []string {
	return []string{
		"restore", "--seq", fmt.Sprint(uint64(plan.Point.Seq)), "--into", at.Database, "--keep-progress",
		"--memory", fmt.Sprint(d.Memory), "--scratch", Work, "--config", ConfigFile, "--json",
	}
}

// loadTask has every shard load its part, all at once.
func (d *Database) loadTask(plan *restore.Plan, at run.Place) Task {
	return Task{
		Name: "load-" + plan.ID[:short], Args: append(d.restoreArgs(plan, at), "--shard", fmt.Sprintf("%s/%d", ShardOf, d.Shards)), Shards: d.Shards,
	}
}

// proof runs a restore and reads what it proved. If its pod is not there any more to be
// read, the restore is run again: it only verifies then.
func (d *Database) proof(ctx context.Context, c *Cluster, t Task, say func(string)) (restore.Proof, error) {
	for range 3 {
		out, err := c.Do(ctx, t, say)
		if err != nil {
			return restore.Proof{}, err
		}
		if !out.Gone {
			p, err := restore.ParseProof([]byte(out.Message))
			if err != nil {
				return p, fmt.Errorf("job %s succeeded, and what its pod left is not the proof: %w", out.Job, err)
			}
			return p, nil
		}
		say("the proof of job " + out.Job + " is gone with its pods; verifying the database again")
		t.Fresh = true
	}
	return restore.Proof{}, fmt.Errorf("pods of task %s in namespace %s are gone before what they leave can be read: is something deleting them?", t.Name, c.cfg.Namespace)
}

func armTask(at run.Place) Task {
	return Task{Name: "arm", Args: []string{"capture", "install", "--restored", "--database", at.Database, "--config", ConfigFile, "--json"}}
}

// Arm implements run.Database.
func (d *Database) Arm(ctx context.Context, at run.Place) error {
	c, err := d.Open(ctx, at)
	if err != nil {
		return err
	}
	_, err = c.Do(ctx, armTask(at), func(string) {})
	return err
}

// Armed implements run.Database: the task that does it has succeeded.
func (d *Database) Armed(ctx context.Context, at run.Place) (bool, error) {
	c, err := d.Open(ctx, at)
	if err != nil {
		return false, err
	}
	return c.Done(ctx, armTask(at))
}

// Login opens a session in the database and asks something of it, once.
func (d *Database) Login(ctx context.Context, at run.Place) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.logged == at.Database {
		return nil
	}
	c, err := d.Open(ctx, at)
	if err != nil {
		return err
	}
	t := Task{Name: "login", Args: []string{"doctor", "--database", at.Database, "--config", ConfigFile, "--json"}, Fresh: true}
	if _, err := c.Do(ctx, t, func(string) {}); err != nil {
		return err
	}
	d.logged = at.Database
	return nil
}
