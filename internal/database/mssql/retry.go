package mssql

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/microsoft/go-mssqldb"

	"lifeboat/internal/database"
)

// Numbers of SQL Server's errors that this package acts on.
const (
	errorDeadlock         = 1205
	errorLockTimeout      = 1222
	errorSnapshotOff      = 3952 // the database does not allow SNAPSHOT isolation
	errorSnapshotConflict = 3960
	errorSnapshotDDL      = 3961 // a table read under SNAPSHOT was changed by DDL
	errorSnapshotMetadata = 3964 // the same, for DDL inside the transaction
	errorFenced           = 51207
)

// passing errors of Azure SQL: the database is moving, busy or out of workers, the
// gateway dropped the session. All are documented as worth another try, and all end the
// transaction they happen in.
func passing(number int32) bool {
	switch number {
	case errorDeadlock, errorLockTimeout, errorSnapshotConflict,
		20, 64, 233, 615, 921, 4060, 4221, 10053, 10054, 10060, 10922, 10928, 10929, 10936,
		40020, 40143, 40166, 40197, 40501, 40540, 40613, 42108, 42109, 49918, 49919, 49920:
		return true
	}
	return false
}

// errorNumber is the error's number if the server sent the error, else 0.
func errorNumber(err error) int32 {
	var e mssql.Error
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// transient tells whether the same work may succeed on a new connection.
func transient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if n := errorNumber(err); n != 0 {
		return passing(n)
	}
	return broken(err)
}

// broken: the connection is lost, and with it the answer to what was asked last.
func broken(err error) bool {
	var netError net.Error
	var stream mssql.StreamError
	var server mssql.ServerError
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &netError) || errors.As(err, &stream) || errors.As(err, &server) ||
		brokenByText(err.Error())
}

// brokenByText knows what the driver says where it puts the cause into a text alone.
func brokenByText(text string) bool {
	for _, said := range []string{"Reading PLP type failed: ", "faild to send CommitXact: ", "failed to send RollbackXact: ",
		"failed to send BeginXact: ", "failed to send SQL Batch: ", "failed to send RPC: "} {
		if strings.Contains(text, said) {
			return true
		}
	}
	return false
}

// Retries wait from a tenth of a second to ten; 40613 (database moving) usually passes
// within a minute, and a caller that has less time has its context.
const (
	retryFirst   = 100 * time.Millisecond
	retryLongest = 10 * time.Second
	retryTotal   = 2 * time.Minute
)

// retried does a whole unit of work again while its errors are transient. The unit must
// be idempotent, whether its last attempt failed or only seemed to.
func retried[T any](ctx context.Context, log *slog.Logger, what string, unit func() (T, error)) (T, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = retryFirst, retryLongest
	return backoff.Retry(ctx, func() (T, error) {
		v, err := unit()
		if err != nil && (ctx.Err() != nil || !transient(err)) {
			err = backoff.Permanent(translated(err))
		}
		return v, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(retryTotal),
		backoff.WithNotify(func(err error, wait time.Duration) {
			log.DebugContext(ctx, "retrying "+what, "err", err, "wait", wait)
		}))
}

// translated gives the sentinel of package database for what the server said.
func translated(err error) error {
	switch errorNumber(err) {
	case errorSnapshotDDL, errorSnapshotMetadata:
		return errors.Join(database.ErrSchemaChanged, err)
	case errorFenced:
		return errors.Join(database.ErrFenced, err)
	case errorSnapshotOff:
		return errors.Join(errSnapshotOff, err)
	}
	return err
}

var errSnapshotOff = errors.New("the database does not allow SNAPSHOT isolation: run ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON")
