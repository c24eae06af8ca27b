# SSLKEYLOGFILE in the server's environment: a file with the secrets of its connections, for root alone; one that cannot be
# written to ends the start.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(slurp);

my $config = "SSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n";

# A server whose variable says this; %ROOT% is its directory.
sub server {
    my ($value) = @_;
    my $h = ModSSL::Httpd->new(config => $config);
    my $root = $h->root;
    $h->{env}{SSLKEYLOGFILE} = $value =~ s/%ROOT%/$root/gr if defined $value;
    return $h;
}

sub labels { my ($text) = @_; return join ' ', map { /^(\w+) [0-9a-f]{64} [0-9a-f]{64,96}$/ ? $1 : "??$_" } split /\n/, $text }

# The client's random of a connection as hexadecimal digits, as OpenSSL's own client logs it.
my $seen;
sub visit {
    my ($h, $version) = @_;
    my $log = $h->root . '/client.log';
    unlink $log;
    s_client(port => $h->port, args => [$version, '-keylogfile', $log], input => "GET / HTTP/1.0\r\n\r\n");
    $seen = join '', sort grep { !/^#/ } map { "$_\n" } split /\n/, slurp($log);
    return;
}

my $h = server('%ROOT%/logs/keys');
my ($rc) = $h->configtest;
is($rc, 0, 'a test of the configuration');
ok(!-e $h->root . '/logs/keys', 'leaves no file');
$h->start or BAIL_OUT($h->why);
my $file = $h->root . '/logs/keys';
is(sprintf('%04o', (stat $file)[2] & 07777), '0600', 'mode');
is((stat _)[4], $>, 'owner');
like($h->errorlog, qr/:notice\].*AH10227: .*\Q$file\E/, 'a notice says so');
is(-s $file, 0, 'empty at first');
for (
    ['-tls1_3', 'CLIENT_HANDSHAKE_TRAFFIC_SECRET CLIENT_TRAFFIC_SECRET_0 EXPORTER_SECRET SERVER_HANDSHAKE_TRAFFIC_SECRET SERVER_TRAFFIC_SECRET_0'],
    ['-tls1_2', 'CLIENT_RANDOM'],
) {
    my ($version, $want) = @$_;
    my $before = slurp($file);
    visit($h, $version);
    my $new = join '', sort map { "$_\n" } split /\n/, substr slurp($file), length $before;
    is(labels($new), $want, "$version: what is written");
    is($new, $seen, "$version: the secrets that the client has");
}
my $before = slurp($file);
ok($h->graceful, 'graceful restart');
visit($h, '-tls1_2');
my $after = slurp($file);
is(substr($after, 0, length $before), $before, 'what was there stays');
is(labels(substr $after, length $before), 'CLIENT_RANDOM', 'and the new is appended');
ok($h->stop, 'server stops');

for (
    ['a directory that does not exist', '%ROOT%/nowhere/keys'],
    ['a directory', '%ROOT%/logs'],
) {
    my ($what, $value) = @$_;
    $h = server($value);
    like($h->start_fails, qr/AH10226: .*'\Q@{[ $h->{env}{SSLKEYLOGFILE} ]}\E'/, "$what: no start");
}

SKIP: {
    skip 'the stock module does not start', 1 if is_stock();
    $h = server('');
    ok($h->start, 'an empty variable is none') or diag $h->why;
}
$h = server(undef);
$h->start or BAIL_OUT($h->why);
unlike($h->errorlog, qr/AH1022[67]/, 'no variable, no word');

done_testing;
