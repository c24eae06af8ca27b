# Client certificates whose keys are in a token (SSLProxyMachineCertificateFile pkcs11:...), by the engine of libp11 and by a provider:
# what backends get, where the PIN comes from, restarts, what is said when it does not work.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Httpd qw(ours_only);
use ModSSL::PKI qw(pki_file);
use ModSSL::Token;

ours_only('the stock module takes no PKCS#11 keys for backends');
need('nginx');
my %missing = map { $_ => scalar ModSSL::Token::missing($_) } qw(engine provider);
my @routes = grep { !$missing{$_} } sort keys %missing;
plan skip_all => join '; ', map { $missing{$_} } sort keys %missing if !@routes;
note "without the $_: $missing{$_}" for grep { $missing{$_} } sort keys %missing;

my $PIN = '471147';
my @VERSIONS = qw(TLSv1.2 TLSv1.3);
my $ca = pki_file('ca.crt');
my $backend = ModSSL::Backend->nginx(map { $_ => { cert => 'rsa', more => "ssl_verify_client on; ssl_client_certificate $ca; ssl_protocols $_;" } } @VERSIONS);
my $passes = join "\n", map { "ProxyPass /$_/ https://localhost:" . $backend->port($_) . '/ disablereuse=on retry=0' } @VERSIONS;

my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-tokens.$$";
mkdir $dir;
chmod 0755, $dir;
my %token = map { mkdir "$dir/$_"; $_ => ModSSL::Token->new("$dir/$_", by => $_, pin => $PIN, keys => [qw(proxy client-ec)]) } @routes;

# A server that answers the dialog with PIN; in its directives @proxy@ and @client-ec@ are URIs in the token.
sub server {
    my ($by, $hosts, $pin) = @_;
    my $token = $token{$by};
    my $h = front(name => "proxy-tokens-$by", env => $token->env,
        main => ($by eq 'engine' ? "SSLCryptoDevice pkcs11\n" : '') . "SSLPassPhraseDialog exec:\@root\@/cgi/ask\n",
        hosts => { map { $_ => "ServerName front.test:8443\n" . ($hosts->{$_} =~ s/\@(proxy|client-ec|none)\@/$token->uri($1)/ger) . "\n$passes" } keys %$hosts });
    $h->cgi('ask', qq(#!/bin/sh\necho "\$#: \$1 \$2" >>@{[ $h->root ]}/run/calls\necho @{[ $pin || $PIN ]}\n));
    return $h;
}

# What the backends see, several times: several children sign.
sub seen {
    my ($h, $host) = @_;
    my %seen;
    for my $version (@VERSIONS, @VERSIONS) {
        my $r = via($h, $host, path => "/$version/");
        $seen{"$r->{status} " . ($r->{seen}{client} // '')}++;
    }
    return join ', ', sort keys %seen;
}

my $FILE = 'SSLProxyMachineCertificateFile';
for my $by (@routes) {
    # [name, { host => directives }, { host => what backends see }, what the dialog is told]
    for (
        ['PIN in the URI', { rsa => qq($FILE "\@proxy\@?pin-value=$PIN"), ec => qq($FILE "\@client-ec\@?pin-value=$PIN") },
            { rsa => '200 CN=proxy.test', ec => '200 CN=EC Client' }, ''],
        ['PIN by exec:', { rsa => "$FILE \@proxy\@", ec => "$FILE \@client-ec\@" },
            { rsa => '200 CN=proxy.test', ec => '200 CN=EC Client' }, "1: front.test:8443 \n"],
        ['in sections, with other certificates', { mixed => "<Proxy *>\n$FILE \@client-ec\@\nSSLProxyMachineCertificateChainFile \@pki\@/ca-inter.crt\n</Proxy>",
            plain => "$FILE \@pki\@/client.pem" }, { mixed => '200 CN=EC Client', plain => '200 emailAddress=client@example.test,CN=Test Client,OU=Test Unit,O=Test Org,L=Testtown,ST=Teststate,C=GB' },
            "1: front.test:8443 \n"],
    ) {
        my ($name, $hosts, $want, $asked) = @$_;
        my $h = server($by, $hosts);
        ok($h->start, "$by, $name: starts") or do { diag $h->why; next };
        for my $how ('', 'graceful', 'restart') {
            ok($h->$how, "$by, $name: $how") or diag $h->why if $how;
            is(seen($h, $_), $want->{$_}, "$by, $name: $_" . ($how && " after $how")) or diag $h->errorlog for sort keys %$hosts;
        }
        is($h->calls, $asked, "$by, $name: who was asked for all of that");
        unlike($h->errorlog, qr/$PIN/, "$by, $name: no PIN in the log");
        ok($h->stop, "$by, $name: stops");
    }

    # [name, directive, the dialog's answer, what the dialog is told, what the log says]
    for (
        ['no such object', qq($FILE "\@none\@?pin-value=$PIN"), undef, '', qr/AH1013[36].*TLS to backends.*'\S+object=none\?pin-value=\*\*\*'/],
        ['no such token', qq($FILE "pkcs11:token=none;object=proxy?pin-value=$PIN"), undef, '', qr/AH1013[36].*'pkcs11:token=none;object=proxy\?pin-value=\*\*\*'/],
        ['a wrong PIN', "$FILE \@proxy\@", '000000', "1: front.test:8443 \n", qr{AH1013[36].*its PIN came from the program '.*/cgi/ask'}],
    ) {
        my ($name, $directive, $pin, $asked, $words) = @$_;
        my $h = server($by, { x => $directive }, $pin);
        my $why = $h->start_fails;
        ok(defined $why, "$by, $name: no start");
        like($why || '', $words, "$by, $name: the log says why");
        unlike($why || '', qr/^\[.*(?:$PIN|000000)/m, "$by, $name: without the PIN"); # the engine's own words have it
        is($h->calls, $asked, "$by, $name: who was asked");
    }
}
done_testing;
