# Files of the session cache and its mutex that the children cannot reach, once httpd has become their User: said at start
# and by the child, each time with the directory that is in the way.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(ours_only have_module);
use ModSSL::Client qw(presented);

ours_only('the stock module only says "Permission denied"');

my $h = ModSSL::Httpd->new(name => 'check-mutex', modules => [have_module('socache_dbm') ? 'socache_dbm' : ()]);
my $dir = $h->root . '/a';
mkdir $_ or die for $dir, "$dir/b";
if ($> == 0) {
    my ($uid, $gid) = (getpwnam 'www-data')[2, 3];
    chown $uid, $gid, "$dir/b";
}
my $HOST = "SSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n";
my $SHUT = qr/the directory '\Q$dir\E' \(mode 0700, owner uid 0\) cannot be passed \(no x permission\) by user 'www-data'/;

sub lines { return grep { /\[ssl:(?:warn|error|emerg)/ && /lock file|mutex|SSLSessionCache/ && !/AH01873|certificate/ } split /\n/, $h->errorlog }

# name, directives, lines of which each pattern must match one
my @cases = (
    ['Mutex', "Mutex flock:$dir/b ssl-cache\nSSLSessionCache dbm:\@root\@/run/cache\n",
        qr/warn\].* the children need the lock file '\Q$dir\E\/b\/ssl-cache\S*' .*, but $SHUT: chmod o\+x/,
        qr/error\].*Permission denied: this child cannot use the ssl-cache mutex, whose file is \S+; $SHUT/],
    ['SSLMutex', "SSLMutex flock:$dir/b\nSSLSessionCache dbm:\@root\@/run/cache\n", qr/warn\].* lock file .*, but $SHUT/],
    ['SSLSessionCache', "SSLSessionCache dbm:$dir/b/cache\n", qr/warn\].* need the file of SSLSessionCache dbm:\S+, but $SHUT/],
);

SKIP: {
    skip 'needs root, whose children are somebody else', scalar @cases if $> != 0;
    skip 'needs mod_socache_dbm', scalar @cases if !have_module('socache_dbm');
    for (@cases) {
        my ($name, $lines, @patterns) = @$_;
        subtest "$name: a directory is shut" => sub {
            $h->config("$lines$HOST");
            chmod 0700, $dir;
            $h->log_mark;
            ok($h->start, 'starts') or diag $h->why;
            $h->errorlog_like($patterns[-1]);
            for my $pattern (@patterns) {
                cmp_ok(scalar(grep { /$pattern/ } lines()), '>=', 1, "one line is like $pattern") or diag $h->errorlog;
            }
            is(presented($h->port), 'rsa.test', 'and serves all the same');
            $h->stop;
        };
    }
}

for (@cases) {
    my ($name, $lines) = @$_;
    subtest "$name: everything is open" => sub {
        plan skip_all => 'needs mod_socache_dbm' if !have_module('socache_dbm');
        $h->config("$lines$HOST");
        chmod 0755, $dir;
        $h->log_mark;
        ok($h->start, 'starts') or diag $h->why;
        is(presented($h->port), 'rsa.test', 'and serves');
        is(join("\n", lines()), '', 'and says nothing');
        $h->stop;
    };
}

# A directory that is not there: the start fails, and the message names it.
$h->config("SSLSessionCache dbm:\@root\@/nowhere/cache\n$HOST");
SKIP: {
    skip 'needs mod_socache_dbm', 1 if !have_module('socache_dbm');
    like($h->start_fails, qr{AH01874: .*SSLSessionCache dbm:\S+: its directory '\S+/nowhere': No such file}, 'no such directory');
}
done_testing;
