package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// Held returns the plan of the restore that was begun in the file at path, which alone may
// go on there; "" if there is no file, or an empty one. What else it holds is
// database.ErrNotEmpty. Nothing is made or changed.
func Held(ctx context.Context, path string, o Options) (plan string, err error) {
	f, err := newFile(path, o.withDefaults(), capi.Create) // whose folder has to be there
	if err != nil {
		return "", err
	}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil || info.Mode().IsRegular() && info.Size() == 0 {
		return "", err
	}
	f.mode = capi.ReadWrite
	defer func() { err = errors.Join(err, f.close()) }()
	err = f.read(ctx, func(c *capi.Conn) error {
		objects, err := readObjects(c)
		if err != nil || len(objects) == 0 {
			return err
		}
		var begun bool
		if plan, begun, err = record(c, "lifeboat_restore", "plan"); err == nil && !begun {
			err = notEmpty(f.path, objects[0])
		}
		return err
	})
	return plan, err
}

// notEmpty names the first thing that is in the way.
func notEmpty(path string, o object) error {
	return fmt.Errorf("%s: %w: it has %s %s; restore into a new file", path, database.ErrNotEmpty, o.kind, quote(o.name))
}
