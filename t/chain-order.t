# The certificates that go with a server's certificate, and their order: from its own file, from SSLCertificateChainFile,
# found among the CAs of client certificates; several certificates; hosts that differ and share a port.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(s_client);
use ModSSL::PKI qw(make_cert pki_file slurp spew);
use File::Temp ();

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
make_cert(dir => "$dir", name => 'chain-ec', key => 'ec', ca => 'inter', cn => 'chain-ec.test');
make_cert(dir => "$dir", name => 'below2', ca => 'ca2', cn => 'below2.test');
chmod 0644, glob "$dir/*.key";
# The intermediate certificate and its root, in the order that nobody needs.
spew("$dir/upside-down.crt", slurp(pki_file('ca.crt')), slurp(pki_file('inter.crt')));

sub cert { my ($file, $key) = @_; return "SSLCertificateFile $file\nSSLCertificateKeyFile $key\n" }
my $leaf     = cert('@pki@/chain-leaf.crt', '@pki@/chain.key');    # issued by inter, alone in its file
my $leaf_ec  = cert("$dir/chain-ec.crt", "$dir/chain-ec.key");
my $full     = cert('@pki@/chain.crt', '@pki@/chain.key');         # with inter behind it
my $rsa      = cert('@pki@/rsa.crt', '@pki@/rsa.key');             # issued by ca
my $ecdsa    = cert('@pki@/ecdsa.crt', '@pki@/ecdsa.key');
my $foreign  = cert("$dir/below2.crt", "$dir/below2.key");         # issued by ca2
my $ca       = "SSLCACertificateFile \@pki\@/ca.crt\n";
my $both     = "SSLCACertificateFile \@pki\@/ca-inter.crt\n";
my $ca_dir   = "SSLCACertificatePath \@pki\@/ca-dir\n";
my $chain    = "SSLCertificateChainFile \@pki\@/inter.crt\n";

my ($CHAIN, $EC, $INTER, $ROOT) = ('chain.test', 'chain-ec.test', 'Test Intermediate CA', 'Test Root CA');

# [name, the virtual host, to an RSA client, to an ECDSA client (undef: there is no such certificate)]
my @HOSTS = (
    ['alone',            $leaf,                              [$CHAIN], undef],
    ['with-chain',       $full,                              [$CHAIN, $INTER], undef],
    ['with-chain-ca',    $full . $ca,                        [$CHAIN, $INTER], undef],
    ['found',            $leaf . $both,                      [$CHAIN, $INTER, $ROOT], undef],
    ['found-in-dir',     $leaf . $ca_dir,                    [$CHAIN, $INTER, $ROOT], undef],
    ['gap',              $leaf . $ca,                        [$CHAIN], undef],
    ['root-only',        $rsa . $ca,                         ['rsa.test', $ROOT], undef],
    ['other-ca',         $foreign . $both,                   ['below2.test'], undef],
    ['chain-file',       $leaf . $chain,                     [$CHAIN, $INTER], undef],
    ['chain-file-ca',    $leaf . $chain . $both,             [$CHAIN, $INTER], undef],
    ['chain-file-order', $leaf . "SSLCertificateChainFile $dir/upside-down.crt\n", [$CHAIN, $ROOT, $INTER], undef],
    ['two',              $rsa . $ecdsa,                      ['rsa.test'], ['ecdsa.test']],
    ['two-found',        $leaf . $leaf_ec . $both,           [$CHAIN, $INTER, $ROOT], [$EC, $INTER, $ROOT]],
    ['two-one-chain',    $full . $leaf_ec,                   [$CHAIN, $INTER], [$EC]],
    ['two-one-found',    $full . $leaf_ec . $both,           [$CHAIN, $INTER], [$EC, $INTER, $ROOT]],
    ['two-chain-file',   $leaf . $leaf_ec . $chain,          [$CHAIN, $INTER], [$EC, $INTER]],
    ['verify',           $leaf . $both . "SSLVerifyClient optional\n", [$CHAIN, $INTER, $ROOT], undef],
    ['chain-store',      $leaf . "SSLOpenSSLConfCmd ChainCAFile \@pki\@/ca-inter.crt\n", [$CHAIN, $INTER, $ROOT], undef],
    ['chain-store-both', $leaf . $both . "SSLOpenSSLConfCmd ChainCAFile \@pki\@/ca2.crt\n", [$CHAIN], undef],
);

sub host {
    my ($name, $lines) = @_;
    return "<VirtualHost *:\@port:https\@>\nServerName $name.test\nSSLEngine on\n$lines</VirtualHost>\n";
}

# Common names of the certificates that the server sends, in that order.
sub presented_chain {
    my ($port, $name, @args) = @_;
    my $out = s_client(port => $port, args => ['-showcerts', '-servername', "$name.test", @args], input => '', ign_eof => 0);
    return [$out =~ /^ *\d+ s:.*?CN ?= ?([^,\n]+)/mg];
}

my %SIGNS = (RSA => ['-sigalgs', 'RSA-PSS+SHA256:RSA+SHA256'], ECDSA => ['-sigalgs', 'ECDSA+SHA256']);

sub check {
    my ($port, $prefix, @hosts) = @_;
    for (@hosts) {
        my ($name, undef, $rsa_chain, $ec_chain) = @$_;
        for my $version ('-tls1_2', '-tls1_3') {
            is_deeply(presented_chain($port, $name, $version, @{ $SIGNS{RSA} }), $rsa_chain, "$prefix$name $version RSA");
            is_deeply(presented_chain($port, $name, $version, @{ $SIGNS{ECDSA} }), $ec_chain, "$prefix$name $version ECDSA") if $ec_chain;
        }
    }
    return;
}

# Each may be the first of its address, whose settings a connection has before the client says which host it wants.
for my $order ('', 'reversed: ') {
    my @hosts = $order ? reverse @HOSTS : @HOSTS;
    my $h = ModSSL::Httpd->new(config => join '', map { host(@$_[0, 1]) } @hosts);
    $h->start or BAIL_OUT($h->why);
    check($h->port, $order, @hosts);
    next if !$order;
    ok($h->graceful, 'graceful restart');
    check($h->port, 'after a graceful restart: ', @hosts[0 .. 5]);
}

# A host by itself: no settings of another can have helped.
for (grep { $_->[0] =~ /^(?:found|two-one-found|chain-file-ca)$/ } @HOSTS) {
    my $h = ModSSL::Httpd->new(config => host(@$_[0, 1]));
    $h->start or BAIL_OUT($h->why);
    check($h->port, 'alone: ', $_);
}
done_testing;
