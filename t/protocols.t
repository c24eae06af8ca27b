# SSLProtocol: which versions of TLS each form of the directive lets through, by port and by name.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

my @versions = ('1', '1.1', '1.2', '1.3');
my %name_of = ('1' => 'TLSv1', '1.1' => 'TLSv1_1', '1.2' => 'TLSv1_2', '1.3' => 'TLSv1_3');

# argument of SSLProtocol (undef: no directive) => versions that work
my @forms = (
    [ undef,                               qw(1 1.1 1.2 1.3) ],
    [ 'all',                               qw(1 1.1 1.2 1.3) ],
    [ 'ALL',                               qw(1 1.1 1.2 1.3) ],
    [ 'TLSv1',                             qw(1) ],
    [ 'TLSv1.1',                           qw(1.1) ],
    [ 'TLSv1.2',                           qw(1.2) ],
    [ 'TLSv1.3',                           qw(1.3) ],
    [ 'tlsv1.2',                           qw(1.2) ],
    [ '+TLSv1.2 +TLSv1.3',                 qw(1.2 1.3) ],
    [ 'TLSv1.2 +TLSv1.3',                  qw(1.2 1.3) ],
    [ '-all +TLSv1.2',                     qw(1.2) ],
    [ '+TLSv1.2',                          qw(1.2) ],
    [ 'all -TLSv1 -TLSv1.1',               qw(1.2 1.3) ],
    [ 'all -TLSv1.3',                      qw(1 1.1 1.2) ],
    [ 'all -SSLv3 -TLSv1 -TLSv1.1 -TLSv1.2', qw(1.3) ],
    [ '+TLSv1.1 +TLSv1.2',                 qw(1.1 1.2) ],
    [ '+TLSv1 +TLSv1.1',                   qw(1 1.1) ],
    [ 'all -TLSv1.2 +TLSv1.2',             qw(1 1.1 1.2 1.3) ],
    [ 'all -TLSv1 -TLSv1.1 -TLSv1.3',      qw(1.2) ],
    [ 'TLSv1.3 +TLSv1.2 -TLSv1.3',         qw(1.2) ],
);

# Versions that are not neighbours: the range goes down from the highest one and ends at the gap, so the
# older versions are off although they are named. An administrator's server relies on that: they stay off.
push @forms, [ '+TLSv1.1 +TLSv1.3', qw(1.3) ], [ 'all -TLSv1.2', qw(1.3) ], [ 'all -TLSv1.1', qw(1.2 1.3) ];

my $cert = "SSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n";

sub vhost {
    my ($port, $protocol, $more) = @_;
    my $line = defined $protocol ? "SSLProtocol $protocol\n" : '';
    return "<VirtualHost 127.0.0.1:\@port:$port\@>\nSSLEngine on\n$line$cert" . ($more || '') . "</VirtualHost>\n";
}

# TLS 1.0 and 1.1 sign with SHA-1, which OpenSSL's default security level refuses.
my $weak = "SSLCipherSuite ALL:\@SECLEVEL=0\n";

subtest 'forms' => sub {
    my @ports = map { "p$_" } 0 .. $#forms;
    my $h = ModSSL::Httpd->new(name => 'protocol-forms', listen => \@ports,
                               config => $weak . join '', map { vhost("p$_", $forms[$_][0]) } 0 .. $#forms);
    $h->start or return fail('start: ' . $h->why);
    for my $i (0 .. $#forms) {
        my ($form, @allowed) = @{ $forms[$i] };
        my %allowed = map { $_ => 1 } @allowed;
        $form = '(none)' if !defined $form;
        for my $version (@versions) {
            my $s = tls_connect(port => $h->port("p$i"), version => $version);
            my $got = $s ? version($s) : 'refused';
            is($got, $allowed{$version} ? $name_of{$version} : 'refused', "SSLProtocol $form: TLS $version");
        }
        my $best = tls_connect(port => $h->port("p$i"), ciphers => 'ALL:@SECLEVEL=0', ssl => { SSL_version => 'SSLv23' });
        is($best ? version($best) : "refused: $tls_error", $name_of{ $allowed[-1] }, "SSLProtocol $form: best version");
    }
};

subtest 'where it is written' => sub {
    my $h = ModSSL::Httpd->new(name => 'protocol-merge', listen => [qw(inherits overrides names)], config =>
        $weak . "SSLProtocol TLSv1.2\n" . vhost('inherits') . vhost('overrides', 'TLSv1.3')
        . vhost('names', 'TLSv1.2', "ServerName a.test\n") . vhost('names', 'TLSv1.3', "ServerName b.test\n")
        . vhost('names', 'all', "ServerName c.test\n"));
    $h->start or return fail('start: ' . $h->why);
    my $try = sub {
        my ($port, $version, $sni) = @_;
        my $s = tls_connect(port => $h->port($port), version => $version, sni => $sni) or return 'refused';
        my $r = http_get($s, '/', defined $sni ? $sni : 'localhost');
        return $r ? "$r->{status} " . version($s) : 'no answer';
    };
    is($try->('inherits', '1.2'), '200 TLSv1_2', 'a virtual host takes what the server says');
    is($try->('inherits', '1.3'), 'refused', 'and no more');
    is($try->('overrides', '1.3'), '200 TLSv1_3', 'or says otherwise');
    is($try->('overrides', '1.2'), 'refused', 'and no more than that');

    is($try->('names', '1.2', 'a.test'), '200 TLSv1_2', 'by name: a.test has TLS 1.2');
    is($try->('names', '1.3', 'a.test'), 'refused', 'a.test has no TLS 1.3');
    is($try->('names', '1.3', 'b.test'), '200 TLSv1_3', 'b.test on the same port has TLS 1.3');
    is($try->('names', '1.2', 'b.test'), 'refused', 'b.test has no TLS 1.2');
    is($try->('names', '1.2', 'c.test'), '200 TLSv1_2', 'c.test has TLS 1.2');
    is($try->('names', '1.3', 'c.test'), '200 TLSv1_3', 'c.test has TLS 1.3');
    is($try->('names', '1', 'c.test'), '200 TLSv1', 'c.test has TLS 1.0');
    is($try->('names', '1.2'), '200 TLSv1_2', 'no name: as the first virtual host');
    is($try->('names', '1.3'), 'refused', 'no name: no more than the first virtual host');
};

subtest 'mistakes' => sub {
    for my $case (
        [ 'TLSv1.4',        qr/SSLProtocol: Illegal protocol 'TLSv1\.4'/ ],
        [ 'all -TLSv9',     qr/SSLProtocol: Illegal protocol 'TLSv9'/ ],
        [ 'all,-TLSv1',     qr/SSLProtocol: Illegal protocol/ ],
        [ '+SSLv2',         qr/SSLProtocol: SSLv2 is no longer supported/ ],
    ) {
        my ($form, $message) = @$case;
        my $h = ModSSL::Httpd->new(name => 'protocol-bad', config => vhost('https', $form));
        my ($status, $output) = $h->configtest;
        isnt($status, 0, "SSLProtocol $form: the configuration is refused");
        like($output, $message, 'and the message says why');
    }
    # Nothing left is no mistake of syntax, so only the start finds it.
    my $h = ModSSL::Httpd->new(name => 'protocol-none', config => vhost('https', '-all'));
    like($h->start_fails, qr/No SSL protocols available/, 'SSLProtocol -all: the server does not start');
};

done_testing;
