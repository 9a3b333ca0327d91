package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

func (a *app) snapshotCommand() *cobra.Command {
	return group("snapshot", "Take, list, verify and export snapshots",
		a.snapshotTakeCommand(), a.snapshotListCommand(), a.snapshotVerifyCommand(), a.snapshotExportCommand())
}

// snapshotLine is one snapshot as snapshot list prints it.
type snapshotLine struct {
	Seq     eventlog.Seq         `json:"seq"`
	Kind    restore.SnapshotKind `json:"kind"`
	Created time.Time            `json:"created"`
	Parent  *eventlog.Seq        `json:"parent,omitempty"`
	Rows    int64                `json:"rows"` // of the database
	Entries int64                `json:"entries"`
	Bytes   int64                `json:"bytes"`
	Name    string               `json:"name"`
}

// snapshotList is what snapshot list prints with --json.
type snapshotList struct {
	Version   int              `json:"version"`
	Snapshots []snapshotLine   `json:"snapshots"`
	Damage    []restore.Damage `json:"damage"`
}

func describeSnapshot(s restore.Snapshot) snapshotLine {
	l := snapshotLine{Seq: s.Position.Seq, Kind: s.Kind, Created: s.Created, Bytes: s.Size(), Name: s.Name()}
	if s.Parent != nil {
		l.Parent = &s.Parent.Seq
	}
	for i := range s.Tables {
		l.Rows += s.Tables[i].State.Count
		l.Entries += s.Tables[i].Entries
	}
	return l
}

func printSnapshot(w io.Writer, l snapshotLine) {
	parent := "-"
	if l.Parent != nil {
		parent = l.Parent.String()
	}
	line(w, "%d\t%s\t%s\t%s\t%d\t%d\t%d", uint64(l.Seq), l.Kind, utc(l.Created), parent, l.Rows, l.Entries, l.Bytes)
}

func (a *app) snapshotListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the snapshots of a store, oldest first",
		Args:  noArgs,
	}
	from := a.storeFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		store, _, err := from.open(cmd.Context())
		if err != nil {
			return err
		}
		snapshots, damage, err := snapshot.List(cmd.Context(), store)
		if err != nil {
			return err
		}
		result := snapshotList{Version: 1, Snapshots: []snapshotLine{}, Damage: append([]restore.Damage{}, damage...)}
		for _, s := range snapshots {
			result.Snapshots = append(result.Snapshots, describeSnapshot(s))
		}
		if err := a.report(result, func(w io.Writer) {
			line(w, "SEQ\tKIND\tCREATED\tPARENT\tROWS\tENTRIES\tBYTES")
			for _, l := range result.Snapshots {
				printSnapshot(w, l)
			}
			for _, d := range damage {
				line(w, "damaged\t%s\t%s", d.Object, d.Detail)
			}
		}); err != nil {
			return err
		}
		return damaged(damage)
	}
	return cmd
}
