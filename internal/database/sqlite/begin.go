package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"

	"lifeboat/internal/database"
)

// Begin implements database.Target.
func (t *Target) Begin(ctx context.Context, plan string, schema *database.Schema) error {
	if err := t.lock(); err != nil {
		return err
	}
	defer t.mu.Unlock()
	resumed, err := t.resume(ctx, plan)
	if err != nil || resumed {
		return err
	}
	if err := t.format(ctx, schema); err != nil {
		return fmt.Errorf("prepare %s for a restore: %w", t.path, err)
	}
	err = t.write(ctx, t.c, func() error {
		if has, err := hasTable(t.c, "lifeboat_restore"); err != nil || has {
			return errors.Join(err, errBegunMeanwhile)
		}
		return t.create(plan, schema)
	})
	if errors.Is(err, errBegunMeanwhile) { // by another process; was it this restore?
		resumed, err = t.resume(ctx, plan)
		if err == nil && !resumed {
			err = errBegunMeanwhile
		}
	}
	if err != nil {
		return fmt.Errorf("begin the restore into %s: %w", t.path, err)
	}
	return nil
}

// errBegunMeanwhile: another process has begun a restore since this one looked.
var errBegunMeanwhile = errors.New("another restore has just begun there: try again")

// resume tells whether the database holds this very restore, to be gone on with. It
// refuses anything else that is in the way.
func (t *Target) resume(ctx context.Context, plan string) (bool, error) {
	var known, finished, boot string
	var begun bool
	var objects []object
	err := t.retry(ctx, func() (err error) {
		if objects, err = readObjects(t.c); err != nil {
			return err
		}
		if known, begun, err = t.record("lifeboat_restore", "plan"); err != nil || !begun {
			return err
		}
		if finished, _, err = t.record("lifeboat_restore", "finished"); err != nil {
			return err
		}
		boot, _, err = t.record("lifeboat_restore", "boot")
		return err
	})
	switch {
	case err != nil:
		return false, t.explain(ctx, err)
	case len(objects) == 0:
		return false, nil
	case !begun:
		return false, notEmpty(t.path, objects[0])
	case known != plan:
		return false, fmt.Errorf("%s: %w: it holds another restore (%s); finish that one, or restore into a new file", t.path, database.ErrNotEmpty, known)
	case finished != "":
		return true, t.known(ctx)
	case boot == "" || boot != t.bootID:
		t.log.WarnContext(ctx, "the machine stopped during the restore; starting it again from nothing", "database", t.path)
		return false, t.erase(ctx)
	}
	if err := t.known(ctx); err != nil {
		return false, err
	}
	return true, t.loadingMode(ctx)
}

// known reads the schema of a restore that another process began after this target was opened.
func (t *Target) known(ctx context.Context) error {
	if t.schema != nil {
		return nil
	}
	return t.explain(ctx, t.retry(ctx, t.readSchema))
}

// erase deletes the file of a restore that the machine's stop may have torn.
func (t *Target) erase(ctx context.Context) error {
	if err := t.disconnect(); err != nil {
		return err
	}
	t.schema = nil
	for _, suffix := range []string{"-journal", "-wal", "-shm", ""} {
		if err := os.Remove(t.path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("delete a torn restore: %w", err)
		}
	}
	return t.connect(ctx)
}

// format sets what can only be set before the first table exists.
func (t *Target) format(ctx context.Context, schema *database.Schema) error {
	if !isPortable(schema) {
		for _, name := range []string{"page_size", "encoding", "auto_vacuum"} {
			if value, ok := schema.Settings[name]; ok {
				if err := t.c.Exec("PRAGMA " + name + " = " + literal(value)); err != nil {
					return t.explain(ctx, err)
				}
			}
		}
	}
	return t.loadingMode(ctx)
}

// loadingMode leaves out every fsync; see Target.
func (t *Target) loadingMode(ctx context.Context) error {
	return t.explain(ctx, t.retry(ctx, func() error {
		return t.c.Exec("PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = OFF")
	}))
}

func (t *Target) create(plan string, schema *database.Schema) error {
	json, err := schema.Encode()
	if err != nil {
		return err
	}
	own, err := database.DecodeSchema(json) // sealed, and nobody else's to change
	if err != nil {
		return err
	}
	for _, sql := range []string{restoreTable, unitsTable} {
		if err := t.c.Exec(sql); err != nil {
			return err
		}
	}
	for i := range own.Tables {
		table := &own.Tables[i]
		sql := table.SQL
		if isPortable(own) {
			sql = portableTable(table)
		}
		if err := t.c.Exec(sql); err != nil {
			return fmt.Errorf("create table %s: %w", table.Name, err)
		}
	}
	if isPortable(own) {
		if err := t.c.Exec(portableNotes); err != nil {
			return err
		}
		if err := t.setRecord("lifeboat_portable", "schema", string(json)); err != nil {
			return err
		}
	}
	for name, value := range map[string]string{"schema": string(json), "plan": plan, "boot": t.bootID} {
		if err := t.setRecord("lifeboat_restore", name, value); err != nil {
			return err
		}
	}
	t.schema = own
	return nil
}
