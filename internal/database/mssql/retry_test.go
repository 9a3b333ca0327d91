package mssql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/assert"

	"lifeboat/internal/database"
)

func TestTransient(t *testing.T) {
	t.Parallel()
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"a deadlock", mssql.Error{Number: 1205}, true},
		{"the database moves", fmt.Errorf("connect: %w", mssql.Error{Number: 40613}), true},
		{"a duplicate key", mssql.Error{Number: 2627}, false},
		{"a wrong password", mssql.Error{Number: 18456}, false},
		{"a duplicate key, then a broken connection", errors.Join(mssql.Error{Number: 2627}, reset), false},
		{"the connection is reset", fmt.Errorf("load: %w", reset), true},
		{"the stream ends", io.ErrUnexpectedEOF, true},
		{"a connection that was given up", driver.ErrBadConn, true},
		{"the server says that it dies", mssql.ServerError{}, true},
		{"the stream makes no sense", mssql.StreamError{InnerError: errors.New("x")}, true},
		{"in the middle of a large value", errors.New("Reading PLP type failed: unexpected EOF"), true},
		{"when committing", errors.New("faild to send CommitXact: write tcp: broken pipe"), true},
		{"when beginning", errors.New("failed to send BeginXact: EOF"), true},
		{"when calling", errors.New("failed to send RPC: write tcp: broken pipe"), true},
		{"the caller gave up", fmt.Errorf("%w: %w", context.Canceled, reset), false},
		{"the caller's time is over", context.DeadlineExceeded, false},
		{"a value that does not fit", errRange, false},
		{"a changed schema", database.ErrSchemaChanged, false},
	} {
		assert.Equal(t, c.want, transient(c.err), c.name)
	}
}
