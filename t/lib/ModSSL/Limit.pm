package ModSSL::Limit;

# Loaded into every test of the suite: one that hangs fails by itself and takes its servers along.

use strict;
use warnings;

my $limit = $ENV{MODSSL_TEST_TIMEOUT} || ($ENV{MODSSL_VALGRIND} ? 1800 : $ENV{MODSSL_ASAN} ? 600 : 240);

$SIG{ALRM} = sub { print STDERR "# $0 took more than $limit seconds\n"; exit 1 };
$SIG{TERM} = $SIG{INT} = sub { exit 1 };
alarm $limit;

1;
