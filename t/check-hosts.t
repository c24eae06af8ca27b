# Virtual hosts against Listen, ports and SSLEngine: what can't work as it is meant is warned of at start, once, with
# place and cure; what is right is not.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(ours_only);
use ModSSL::PKI qw(pki_file);

ours_only('the stock module says nothing of these');

my $CERT = "SSLCertificateFile @{[ pki_file('rsa.crt') ]}\nSSLCertificateKeyFile @{[ pki_file('rsa.key') ]}\n";
my $ON   = "SSLEngine on\n$CERT";
my ($UNUSED) = ModSSL::Httpd::free_ports(1);

sub vhost {
    my ($addresses, $name, $lines) = @_;
    return "<VirtualHost $addresses>\nServerName $name\n$lines\n</VirtualHost>\n";
}

# The lines of this file's concern: not certificates, sessions or directives.
my $TOPIC = qr/Listen|SSLEngine|only reach/;

# name, configuration, lines that must appear (and no others); @https@ is "Listen ... https"
my @cases = (
    ['a TLS host and a plain one on ports of their own',
        vhost('*:@port:https@', 'rsa.test', $ON) . vhost('*:@port:plain@', 'rsa.test', ''), []],
    ['a Listen for https and its host', "\@https\@\n" . vhost('127.0.0.1:@port:third@', 'rsa.test', $ON), []],
    ['a host of any port', "\@https\@\n" . vhost('*:*', 'rsa.test', $ON), []],
    ['TLS in the main server alone', "\@https\@\n$ON", []],
    ['certificates in the main server, the engine in hosts', $CERT . vhost('*:@port:https@', 'rsa.test', 'SSLEngine on'), []],

    ['nobody listens', vhost("*:$UNUSED", 'rsa.test', $ON) . vhost("*:$UNUSED", 'localhost', $ON),
        [qr/warn\].* no Listen directive covers \*:$UNUSED: .* rsa\.test:\d+ \(\S+:\d+\), localhost:\d+ \(\S+:\d+\); write 'Listen $UNUSED'/]],
    ['nobody listens at this address', vhost('192.0.2.1:@port:https@', 'rsa.test', $ON),
        [qr/warn\].* no Listen directive covers 192\.0\.2\.1:\d+: /]],
    ['an IPv6 address', vhost('[2001:db8::1]:@port:https@', 'rsa.test', $ON),
        [qr/warn\].* no Listen directive covers \[2001:db8::1\]:\d+: /]],
    ['one address of two', vhost("*:\@port:https\@ *:$UNUSED", 'rsa.test', $ON), [qr/no Listen directive covers \*:$UNUSED: /]],

    ['a Listen for https and no host', "\@https\@\n", [qr/warn\].* Listen \d+ is for https, .* add a <VirtualHost>/]],
    ['a Listen for https and a plain host', "\@https\@\n" . vhost('*:@port:third@', 'rsa.test', ''),
        [qr/warn\].* Listen \d+ is for https, .* write 'SSLEngine on' .* into rsa\.test:\d+ \(\S+httpd\.conf:\d+\)/]],
    ['SSLEngine on in the main server, off in the host', "\@https\@\n$ON" . vhost('*:@port:third@', 'rsa.test', 'SSLEngine off'),
        [qr/warn\].* Listen \d+ is for https, .*\(SSLEngine on in the main server does not reach it\)/]],

    ['certificates and no engine', vhost('*:@port:https@', 'rsa.test', $CERT),
        [qr/warn\].* SSLCertificateFile is set, but SSLEngine is not on: rsa\.test:\d+ \(\S+:\d+\); write 'SSLEngine on'/]],
    ['certificates and the engine off', vhost('*:@port:https@', 'rsa.test', "SSLEngine off\n$CERT"),
        [qr/notice\].* no effect because of 'SSLEngine off': rsa\.test:\d+/]],
    ['certificates in the main server and no engine', $CERT . vhost('*:@port:https@', 'rsa.test', ''),
        [qr/warn\].* SSLCertificateFile at \S+httpd\.conf:\d+ has no effect: .* write 'SSLEngine on'/]],
    ['many of them', join('', map { vhost('*:@port:https@', "h$_.test", $CERT) } 1 .. 20),
        [qr/SSLEngine is not on: h1\.test:\d+ \(\S+\), h2\.test:\d+ \(\S+\), h3\.test:\d+ \(\S+\) and 17 more;/]],

    ['TLS first, then none', vhost('*:@port:https@', 'rsa.test', $ON) . vhost('*:@port:https@', 'plain.test', ''),
        [qr/warn\].* SSLEngine is on for rsa\.test:\d+ \(\S+\), but not for plain\.test:\d+ \(\S+\): .*: SSLEngine on\); write/]],
    ['none first, then TLS', vhost('*:@port:https@', 'plain.test', '') . vhost('*:@port:https@', 'rsa.test', $ON),
        [qr/warn\].* SSLEngine is on for rsa\.test:\d+ .*, but not for plain\.test:\d+ .*: SSLEngine off\); write/]],
    ['one address of its own hides the hosts of *', vhost('*:@port:https@', 'rsa.test', $ON) . vhost('127.0.0.1:@port:https@', 'localhost', $ON),
        [qr/info\].* connections to 127\.0\.0\.1:\d+ only reach localhost:\d+ .*the virtual hosts of \*:\d+ \(rsa\.test:/]],
    ['port 80 inherits TLS', $ON . vhost('*:80', 'rsa.test', '') . vhost('*:@port:https@', 'rsa.test', ''),
        [qr/warn\].* SSLEngine on at \S+httpd\.conf:\d+, outside .* port 80, too: rsa\.test:80 \(\S+:\d+\) speak TLS only; write 'SSLEngine off'/,
         qr/no Listen directive covers \*:80/]],
);

for (@cases) {
    my ($name, $config, $expected) = @$_;
    my $https = $config =~ s/\@https\@/Listen 127.0.0.1:\@port:third\@ https/;
    my ($third) = ModSSL::Httpd::free_ports(1);
    $config =~ s/\@port:third\@/$third/g;
    my $h = ModSSL::Httpd->new(name => 'check-hosts', listen => [qw(https plain)], config => $config);
    subtest $name => sub {
        ok($h->start, 'starts') or diag $h->why;
        my @lines = grep { /\[ssl:/ && /$TOPIC/ } split /\n/, $h->errorlog;
        is(scalar @lines, scalar @$expected, 'as many lines as there should be') or diag(join "\n", @lines);
        for my $pattern (@$expected) {
            is(scalar(grep { /$pattern/ } @lines), 1, "one line is like $pattern") or diag(join "\n", @lines);
        }
        $h->log_mark;
        ok($h->graceful, 'restarts') or diag $h->why;
        is(scalar(grep { /\[ssl:/ && /$TOPIC/ } split /\n/, $h->errorlog), scalar @$expected, 'and says so again, once');
    };
}
# httpd -t says as much, and nothing of it stops a start.
my $h = ModSSL::Httpd->new(name => 'check-hosts', config => vhost("*:$UNUSED", 'rsa.test', $ON));
my ($status, $out) = $h->configtest;
is($status, 0, 'httpd -t: the syntax is right');
like($out, qr/no Listen directive covers \*:$UNUSED: .*\nSyntax OK/s, 'and the host is named');
($status, $out) = $h->run('-S');
unlike($out, qr/no Listen directive/, 'httpd -S only shows what was asked for');
done_testing;
