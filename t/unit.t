# The unit tests in C (t/unit), as one file among the others. t/TEST has run them already, as the user who builds.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::PKI qw(slurp);

my ($output, $status);
if ($ENV{MODSSL_TOP}) {
    my $top = $ENV{MODSSL_TOP};
    plan skip_all => 'not built in this run (-stock, -so, -nobuild), or there are none' if !-e "$top/unit.status";
    $output = slurp("$top/unit.out");
    $status = slurp("$top/unit.status") + 0;
}
else {
    plan skip_all => 'run ./configure first' if !-e 'Makefile' || !-e 't/unit/Makefile';
    $output = `make unit 2>&1`;
    $status = $? >> 8;
}

# Their own numbering is per program: only the names go on.
for my $line (split /\n/, $output) {
    next if $line !~ /^(not )?ok\b\s*\d*\s*-?\s*(.*)/;
    ok(!$1, $2 || 'unnamed');
}
is($status, 0, 'make unit succeeds') or diag $output;
done_testing;
