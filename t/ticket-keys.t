# SSLSessionTicketKeyFile: which files it takes, how long tickets live by it, and who resumes whose sessions.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock free_ports stock_so so_path);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(slurp spew);
use File::Temp ();

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;

sub key_file {
    my ($name, $size, $mode) = @_;
    my $bytes = join '', map { chr int rand 256 } 1 .. $size;
    spew("$dir/$name", $bytes);
    chmod $mode || 0600, "$dir/$name";
    return "$dir/$name";
}

# A server with one virtual host: name, the address in <VirtualHost>, key files; more lines and options of the server.
sub server {
    my (%o) = @_;
    my $host = $o{host} || '*';
    my $name = $o{name} || 'www.farm.test';
    my $keys = join '', map { "SSLSessionTicketKeyFile $_\n" } @{ $o{keys} || [] };
    return ModSSL::Httpd->new(%{ $o{httpd} || {} }, config => <<"END");
SSLCertificateFile    \@pki\@/ecdsa.crt
SSLCertificateKeyFile \@pki\@/ecdsa.key
$keys<VirtualHost $host:\@port:https\@>
    ServerName $name
    SSLEngine on
</VirtualHost>
@{[ $o{more} || '' ]}
END
}

# A session with its ticket. The response is read: TLS 1.3 sends tickets after the handshake.
sub visit {
    my ($h, $version, $session, $name, $port) = @_;
    $name ||= 'www.farm.test';
    my $s = tls_connect(port => $h->port($port), address => $h->{address}, version => $version, sni => $name,
                        $session ? (session => $session) : ());
    return { failed => $tls_error } if !$s;
    my $r = http_get($s, '/', $name);
    my $seen = { resumed => resumed($s), status => $r ? $r->{status} : 0, session => session($s) };
    $s->close;
    return $seen;
}

# 'resumed', 'new' or what went wrong.
sub outcome {
    my ($h, $version, $session, @where) = @_;
    my $seen = visit($h, $version, $session, @where);
    return "failed: $seen->{failed}" if $seen->{failed};
    return "status $seen->{status}" if $seen->{status} != 200;
    return $seen->{resumed} ? 'resumed' : 'new';
}

sub start { my ($h) = @_; $h->start or BAIL_OUT($h->why); return $h }

my @VERSIONS = ('1.2', '1.3');
my ($small, $large) = (key_file('small', 48), key_file('large', 80));

# --- files ----------------------------------------------------------------------------------------

# [bytes, does it start, what the log says under ours]; of other sizes the first 48 bytes count
my @FILES = (
    [0,    0, qr/SSLSessionTicketKeyFile: .*size\.0': it is empty/],
    [47,   0, qr/AH02287: www\.farm\.test:\d+: SSLSessionTicketKeyFile: '\S+size\.47' must hold 48 or 80 bytes, it holds 47;/],
    [48,   1, qr/AH02288: www\.farm\.test:\d+: session ticket keys loaded from 1 file/],
    [49,   1, qr/'\S+size\.49' holds neither 48 nor 80 bytes: the first 48 are used/],
    [80,   1, qr/AH02288: /],
    [81,   1, qr/'\S+size\.81' holds neither 48 nor 80 bytes/],
    [4096, 1, qr/'\S+size\.4096' holds neither 48 nor 80 bytes/],
);
for (@FILES) {
    my ($size, $starts, $message) = @$_;
    my $h = server(keys => [key_file("size.$size", $size)]);
    is($h->start ? 1 : 0, $starts, "$size bytes: " . ($starts ? 'starts' : 'does not start'));
    my $said = $h->why;
    like($said, $message, "$size bytes: what the log says") if !is_stock();
    unlike($said, qr/holds neither/, "$size bytes: nothing to warn of") if $size == 48 || $size == 80;
}
{
    my $h = server(keys => ["$dir/missing"]);
    like($h->start_fails || '', qr/SSLSessionTicketKeyFile.*missing/, 'missing file: does not start, says why');
}
SKIP: {
    skip 'stock does not look at modes', 4 if is_stock();
    for ([0644, 1], [0604, 1], [0640, 0], [0600, 0]) {
        my ($mode, $warning) = @$_;
        my $file = key_file('mode', 48, $mode);
        my $h = start(server(keys => [$file]));
        my $like = qr/SSLSessionTicketKeyFile '\Q$file\E' can be read by everybody/;
        my $name = sprintf 'file of mode %o', $mode;
        $warning ? like($h->errorlog, $like, "$name: a warning") : unlike($h->errorlog, $like, "$name: no warning");
    }
}

# --- restarts ---------------------------------------------------------------------------------------

# [files, over a graceful restart, over a restart, over stop and start]
my @LIVES = (
    ['no file',  [],       is_stock() ? ('new', 'new') : ('resumed', 'resumed'), 'new'],
    ['48 bytes', [$small], 'resumed', 'resumed', 'resumed'],
    is_stock() ? () : (['80 bytes', [$large], 'resumed', 'resumed', 'resumed']),
);
for (@LIVES) {
    my ($name, $files, @expected) = @$_;
    my $h = start(server(keys => $files));
    for my $version (@VERSIONS) {
        my $first = visit($h, $version);
        is($first->{resumed}, 0, "$name, TLS $version: first visit");
        is(outcome($h, $version, $first->{session}), 'resumed', "$name, TLS $version: next visit");
    }
    for (['graceful restart', sub { $h->graceful }], ['restart', sub { $h->restart }], ['stop and start', sub { $h->stop && $h->start }]) {
        my ($event, $do) = @$_;
        my %session = map { $_ => visit($h, $_)->{session} } @VERSIONS;
        ok($do->(), "$name: $event");
        my $expected = shift @expected;
        is(outcome($h, $_, $session{$_}), $expected, "$name, TLS $_: after a $event") for @VERSIONS;
    }
}

# --- several files ----------------------------------------------------------------------------------

# A ticket begins with the name of its key, in the clear: which of the files sealed it.
sub sealed_by {
    my ($session, @files) = @_;
    for my $file (@files) {
        open my $fh, '<:raw', $file or die;
        read $fh, my $name, 16;
        return $file if index($session, $name) >= 0;
    }
    return 'none of them';
}

SKIP: {
    my ($old, $new, $next) = map { key_file($_, 48) } qw(old new next);
    my $h = start(server(keys => [$old]));
    my %by_old = map { $_ => visit($h, $_)->{session} } @VERSIONS;
    $h->stop;

    if (is_stock()) {
        $h = start(server(keys => [$new, $old]));
        for my $version (@VERSIONS) {
            is(sealed_by(visit($h, $version)->{session}, $old, $new), $old, "stock, TLS $version: the last of two files seals");
            is(outcome($h, $version, $by_old{$version}), 'resumed', "stock, TLS $version: and opens");
        }
        $h->stop;
        $h = start(server(keys => [$old, $new]));
        is(outcome($h, $_, $by_old{$_}), 'new', "stock, TLS $_: no other does") for @VERSIONS;
        skip 'ours only: several keys', 1;
    }
    $h = start(server(keys => [$new, $old]));
    for my $version (@VERSIONS) {
        is(sealed_by(visit($h, $version)->{session}, $old, $new), $new, "TLS $version: the first file seals");
        my $again = visit($h, $version, $by_old{$version});
        is($again->{resumed}, 1, "TLS $version: the second opens");
        is(sealed_by($again->{session}, $old, $new), $new, "TLS $version: and the client gets a ticket of the first");
    }
    my %by_new = map { $_ => visit($h, $_)->{session} } @VERSIONS;
    $h->stop;
    $h = start(server(keys => [$next, $new, $large]));
    for my $version (@VERSIONS) {
        is(outcome($h, $version, $by_new{$version}), 'resumed', "TLS $version: rotated once more, the key before still opens");
        is(outcome($h, $version, $by_old{$version}), 'new', "TLS $version: the one before that is gone");
    }
    $h->stop;
    $h = start(server(keys => [$large, $new]));
    is(outcome($h, $_, $by_new{$_}), 'resumed', "TLS $_: a file of 80 bytes before one of 48") for @VERSIONS;
}

# --- who else may resume ------------------------------------------------------------------------------

my $other = key_file('other', 48);
my $longer = spew("$dir/longer", slurp($small), 'and what follows does not count');
chmod 0600, $longer;
my $clients = "SSLCACertificateFile \@pki\@/ca.crt\nSSLVerifyClient optional";

# [what is other about the second server, its first visitor with a ticket of the first one under ours, under stock]
my ($port) = free_ports(1);
my @same_port = (ports => { https => $port });
my @there = (address => '127.0.0.2', @same_port);
my @FARM = (
    ['address',                       { httpd => {@there} }, 'resumed', 'resumed'],
    ['address, by number',            { httpd => {@there}, host => '127.0.0.2' }, 'resumed', 'resumed'],
    ['port that it listens to',       {}, 'resumed', 'resumed'],
    ['key file',                      { httpd => {@there}, keys => [$other] }, 'new', 'new'],
    ['longer key file',               { httpd => {@there}, keys => [$longer] }, 'resumed', 'resumed'],
    ['key file first',                { httpd => {@there}, keys => [$other, $small] }, 'resumed', 'resumed'],
    ['name',                          { httpd => {@there}, name => 'other.farm.test' }, 'new', 'new'],
    ['port in its name',              { httpd => {@there}, name => 'www.farm.test:8443' }, 'new', 'new'],
    ['port in its name: the default', { httpd => {@there}, name => 'www.farm.test:443' }, 'resumed', 'resumed'],
    ['mind about client certificates', { httpd => {@there}, more => $clients }, 'new', 'resumed'],
);
for my $host ('*', '127.0.0.1') {
    my $one = start(server(host => $host, httpd => {@same_port}, keys => [$small]));
    my %ticket = map { $_ => visit($one, $_)->{session} } @VERSIONS;
    for (@FARM) {
        my ($difference, $options, @expected) = @$_;
        my $two = start(server(keys => [$small], %$options));
        is(outcome($two, $_, $ticket{$_}), $expected[is_stock()], "<VirtualHost $host>, TLS $_: a server with another $difference")
            for @VERSIONS;
    }
}

# Virtual hosts of one server, name-based and by port.
{
    my $h = start(server(keys => [$small], httpd => { listen => ['https', 'second'] }, more => <<'MORE'));
<VirtualHost *:@port:https@>
    ServerName other.farm.test
    SSLEngine on
</VirtualHost>
<VirtualHost *:@port:second@>
    ServerName third.farm.test
    SSLEngine on
</VirtualHost>
MORE
    for my $version (@VERSIONS) {
        my $session = visit($h, $version)->{session};
        is(outcome($h, $version, $session, 'other.farm.test'), 'new', "TLS $version: another virtual host of the same address");
        is(outcome($h, $version, $session, 'third.farm.test', 'second'), 'new', "TLS $version: of another port");
        is(outcome($h, $version, $session), 'resumed', "TLS $version: the host itself");
    }
}

# The stock module and ours. Each names the virtual host in a session in its own way, so neither takes the other's: a farm
# in which both work serves everybody, with a full handshake for who changes sides.
SKIP: {
    skip 'there is nothing to compare stock with', 1 if is_stock();
    for my $pair (['stock', stock_so(), 'ours', so_path()], ['ours', so_path(), 'stock', stock_so()]) {
        my ($from, $from_so, $to, $to_so) = @$pair;
        my $one = start(server(keys => [$small], httpd => { @same_port, so => $from_so }));
        my $two = start(server(keys => [$small], httpd => { @there, so => $to_so }));
        for my $version (@VERSIONS) {
            my $session = visit($one, $version)->{session};
            is(sealed_by($session, $small), $small, "TLS $version: $from uses the key file");
            is(outcome($two, $version, $session), 'new', "TLS $version: $to given a ticket of $from");
            is(outcome($one, $version, $session), 'resumed', "TLS $version: $from given its own");
        }
    }
}
done_testing;
